"""The numbers of every precision, fixed once for all runtimes.

Each function maps an fp32 graph to a graph of another precision. What they
decide is final: exporters write these very numbers, and the numpy reference
(:mod:`edgebuild.graph.run`) executes them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgebuild.compress.grids import on_grid
from edgebuild.compress.weights import least_error, per_channel
from edgebuild.errors import GraphError
from edgebuild.graph.ir import CHANNEL_AXIS, Graph, Grid, Node, Weight

__all__ = ["BIAS_CODES", "bias_floor", "integer_weights", "to_fp16", "to_int8", "to_w4", "to_w8"]

Floats = npt.NDArray[np.float32]

#: An int32 sum of bias and products must not overflow: biases stay below 2**24 codes,
#: where float32, in which runtimes requantize, also still counts every integer.
BIAS_CODES = 2**24

#: The ops whose kernels w4 stores in 4 bits. A depthwise kernel has few weights and few per channel.
FOUR_BITS = ("conv2d", "dense")


def to_fp16(graph: Graph) -> Graph:
    """Weights rounded to the nearest float16.

    Raises:
        GraphError: a weight is beyond float16's range (65504), naming the node.
    """
    for node in graph:
        for key, weight in node.weights.items():
            if np.abs(weight.values).max(initial=0) > np.finfo(np.float16).max:
                raise GraphError(f"{node.name}: {key} exceeds the range of float16 (65504); build it in fp32")
    return _map_weights(
        graph, "fp16", lambda node, key, weight: replace(weight, values=weight.values.astype(np.float16))
    )


def to_w8(graph: Graph) -> Graph:
    """Kernels as int8 with a scale per channel; biases and arithmetic stay float32."""
    return _map_weights(graph, "w8", lambda node, key, weight: _stored(node, key, weight, ()))


def to_w4(graph: Graph) -> Graph:
    """As :func:`to_w8`, and kernels of convolutions and dense layers in 4 bits, in [-7, 7]."""
    return _map_weights(graph, "w4", lambda node, key, weight: _stored(node, key, weight, FOUR_BITS))


def to_int8(graph: Graph, grids: Mapping[str, Grid], keep_float: Collection[str] = ()) -> Graph:
    """The integer grid: int8 kernels, int32 biases, grids on the activations.

    Nodes named in ``keep_float`` stay in float32, between "dequantize" and
    "quantize" nodes: a mixed graph. The rules of the grids, and what is raised,
    are those of :func:`edgebuild.compress.grids.on_grid`.
    """
    placed = on_grid(graph, grids, keep_float)
    of = {node.name: node.grid for node in placed}
    nodes = []
    for node in placed:
        before = of[node.inputs[0]] if node.weights and node.grid is not None else None
        nodes.append(node if before is None else replace(node, weights=integer_weights(node, before)))
    return replace(placed, nodes=tuple(nodes), precision="int8")


def integer_weights(node: Node, grid: Grid) -> dict[str, Weight]:
    """An int8 kernel, and the int32 bias that counts in steps of input times kernel.

    ``grid`` is that of the node's input.
    """
    bias = node.weights["bias"].real()
    kernel = per_channel(node.weights["kernel"].real(), CHANNEL_AXIS[node.op], bias_floor(bias, grid))
    assert kernel.scale is not None
    scale = np.float32(grid.scale) * kernel.scale
    return {"kernel": kernel, "bias": Weight(np.rint(bias / scale).astype(np.int32), scale)}


def bias_floor(bias: Floats, grid: Grid) -> Floats:
    """The least scales of a kernel, float32 ``(channels,)``, with which its bias fits :data:`BIAS_CODES`.

    A pruned, all-zero filter with a bias would get a tiny scale and a bias beyond int32.
    """
    return (np.abs(bias) / (np.float32(BIAS_CODES) * np.float32(grid.scale))).astype(np.float32)


def _stored(node: Node, key: str, weight: Weight, four: Collection[str]) -> Weight:
    if key != "kernel":
        return weight
    axis = CHANNEL_AXIS[node.op]
    return least_error(weight.real(), axis, 4) if node.op in four else per_channel(weight.real(), axis)


def _map_weights(graph: Graph, precision: str, change: Callable[[Node, str, Weight], Weight]) -> Graph:
    nodes = tuple(
        replace(node, weights={key: change(node, key, weight) for key, weight in node.weights.items()})
        for node in graph
    )
    return replace(graph, nodes=nodes, precision=precision)
