"""The numbers of every precision, fixed once for all runtimes.

Each function maps an fp32 graph to a graph of another precision. What they
decide is final: exporters write these very numbers, and the numpy reference
(:mod:`edgebuild.graph.run`) executes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.graph.ir import CHANNEL_AXIS, Graph, Grid, Node, Weight

__all__ = ["per_channel", "to_fp16", "to_int8", "to_w8"]

Floats = npt.NDArray[np.float32]

#: An int32 sum of bias and products must not overflow: biases stay below 2**24 codes,
#: where float32, in which runtimes requantize, also still counts every integer.
BIAS_CODES = 2**24


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
    return _map_weights(
        graph,
        "w8",
        lambda node, key, weight: (
            per_channel(weight.real(), CHANNEL_AXIS[node.op]) if key == "kernel" else weight
        ),
    )


def to_int8(graph: Graph, grids: Mapping[str, Grid]) -> Graph:
    """The integer grid: int8 kernels, int32 biases, ``grids`` on the activations.

    Flatten only renames positions, so its tensor takes the grid of its input.
    """
    taken: dict[str, Grid] = {}
    nodes = []
    for node in graph:
        taken[node.name] = taken[node.inputs[0]] if node.op == "flatten" else grids[node.name]
        weights = _integer_weights(node, taken[node.inputs[0]]) if node.weights else {}
        nodes.append(replace(node, weights=weights, grid=taken[node.name]))
    return replace(graph, nodes=tuple(nodes), precision="int8")


def per_channel(values: Floats, axis: int, floor: Floats | None = None) -> Weight:
    """Symmetric int8 in [-127, 127], one scale per channel along ``axis``: max|w| / 127.

    ``floor``, float32 ``(channels,)``, bounds the scales from below. A channel
    of zeros gets the floor or, without one, scale 1.
    """
    others = tuple(index for index in range(values.ndim) if index != axis)
    scale = np.abs(values).max(axis=others) / np.float32(127)
    if floor is not None:
        scale = np.maximum(scale, floor)
    scale = np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale).astype(np.float32)
    shape = [1] * values.ndim
    shape[axis] = -1
    codes = np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8)
    return Weight(codes, scale, axis)


def _integer_weights(node: Node, grid: Grid) -> dict[str, Weight]:
    bias = node.weights["bias"].real()
    step = np.float32(grid.scale)
    # A pruned, all-zero filter with a bias would get a tiny scale and a bias beyond int32.
    floor = (np.abs(bias) / (np.float32(BIAS_CODES) * step)).astype(np.float32)
    kernel = per_channel(node.weights["kernel"].real(), CHANNEL_AXIS[node.op], floor)
    assert kernel.scale is not None
    scale = step * kernel.scale
    return {"kernel": kernel, "bias": Weight(np.rint(bias / scale).astype(np.int32), scale)}


def _map_weights(graph: Graph, precision: str, change: Callable[[Node, str, Weight], Weight]) -> Graph:
    nodes = tuple(
        replace(node, weights={key: change(node, key, weight) for key, weight in node.weights.items()})
        for node in graph
    )
    return replace(graph, nodes=nodes, precision=precision)
