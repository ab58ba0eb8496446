"""A frozen graph in TensorFlow that computes as its integers will, and can be trained.

What is simulated is what :func:`edgebuild.compress.quantize.to_int8`, ``to_w8``
and ``to_w4`` make of the graph that comes out, down to the rounding of biases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgebuild.compress.fake_quant import Layer, eight_bit_layer, float_layer, four_bit_layer, on_codes
from edgebuild.compress.grids import COPIES, on_grid
from edgebuild.compress.tensors import compute
from edgebuild.graph.ir import Graph, Grid, Node

__all__ = ["Simulation", "simulated"]


@dataclass(frozen=True)
class Simulation:
    """A trainable stand-in for a lowered graph.

    ``variables`` are those that training may change. ``tensors`` maps real
    images, float32 ``(n, h, w, c)``, to every tensor by the name of its node,
    and ``logits`` to the logits ``(n, classes)``: the output, or what a softmax
    at the end reads. ``graph`` gives the fp32 graph as trained so far; its
    kernels are multiples of their steps, so lowering it changes them no more.
    """

    variables: list[Any]
    tensors: Callable[[Any], Mapping[str, Any]]
    logits: Callable[[Any], Any]
    graph: Callable[[], Graph]


def simulated(
    tf: Any,
    graph: Graph,
    precision: str,
    grids: Mapping[str, Grid] | None = None,
    keep_float: Collection[str] = (),
) -> Simulation:
    """``graph``, fp32, as it will compute in ``precision``. Zeros in kernels stay zero in training.

    Args:
        precision: "int8", "w8", "w4" or "fp32".
        grids: for int8, those of :func:`edgebuild.compress.ranges.observe`; they stay as they are.
        keep_float: for int8, the layers that stay in float32, as for ``to_int8``.

    Raises:
        GraphError: as :func:`edgebuild.compress.grids.on_grid`.
    """
    placed = on_grid(graph, grids or {}, keep_float) if precision == "int8" else graph
    layers = {node.name: _layer(tf, placed, node, precision) for node in placed if node.weights}

    def tensors(pixels: Any) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for node in placed:
            weights = layers[node.name].weights() if node.weights else None
            inputs = [found[name] for name in node.inputs] or [pixels]
            if node.grid is None or node.op in COPIES - {"average_pool"}:
                values = compute(tf, node, inputs, weights)  # copies of codes are on the grid already
            elif node.op == "average_pool":
                values = _mean_of_codes(tf, node, inputs[0], node.grid)
            else:
                values = on_codes(tf, compute(tf, node, inputs, weights), node.grid)
            found[node.name] = values
        return found

    last = graph.output
    answer = last.inputs[0] if last.activation == "softmax" else placed.output.name
    return Simulation(
        [variable for layer in layers.values() for variable in layer.variables],
        tensors,
        lambda pixels: tensors(pixels)[answer],
        lambda: _with_weights(graph, layers),
    )


def _mean_of_codes(tf: Any, node: Node, values: Any, grid: Grid) -> Any:
    """An average pooling counted in whole steps: ties are frequent there, and have to be seen as such."""
    unit = Grid(1.0, grid.zero_point)
    steps = on_codes(tf, values / np.float32(grid.scale), unit)
    return on_codes(tf, compute(tf, node, [steps], None), unit) * np.float32(grid.scale)


def _layer(tf: Any, graph: Graph, node: Node, precision: str) -> Layer:
    if precision == "fp32" or (precision == "int8" and node.grid is None):
        return float_layer(tf, node)
    if precision == "w4":
        return four_bit_layer(tf, node)
    return eight_bit_layer(tf, node, graph[node.inputs[0]].grid)


def _with_weights(graph: Graph, layers: Mapping[str, Layer]) -> Graph:
    """``graph`` with the weights as trained so far; what :func:`on_grid` put between its nodes is left out."""
    trained = {name: layer.trained().weights for name, layer in layers.items()}
    nodes = (replace(node, weights=trained[node.name]) if node.weights else node for node in graph)
    return replace(graph, nodes=tuple(nodes))
