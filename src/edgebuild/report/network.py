"""The deployed network layer by layer: what each stores, computes, and loses as integers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebuild.graph.count import count
from edgebuild.graph.ir import Graph, Node, Weight
from edgebuild.measure.layers import Layer

__all__ = ["Row", "network", "stored_bytes"]


@dataclass(frozen=True)
class Row:
    """One layer with weights, or all of them together.

    ``bytes`` are by precision, of the numbers alone. ``divergence`` is what
    quantizing this layer alone does to the answers (Kullback-Leibler, nats),
    None where it was not measured; ``weight`` is its place in [0, 1] on a
    logarithmic scale from the least to the most sensitive layer.
    """

    name: str
    op: str
    shape: str
    parameters: int
    macs: int
    bytes: Mapping[str, int]
    divergence: float | None = None
    weight: float = 0.0
    in_float: bool = False


def network(graphs: Mapping[str, Graph], sensitivity: Sequence[Layer]) -> tuple[list[Row], Row]:
    """The layers in the order in which they compute, and their sum; ``graphs`` are by precision, with fp32."""
    measured = {layer.node: layer for layer in sensitivity}
    positive = [math.log(layer.divergence) for layer in sensitivity if layer.divergence > 0]
    rows = [_row(node, graphs, measured.get(node.name), positive) for node in graphs["fp32"] if node.weights]
    everything = Row(
        "all layers",
        "",
        "",
        sum(row.parameters for row in rows),
        sum(row.macs for row in rows),
        {name: sum(row.bytes[name] for row in rows) for name in graphs},
    )
    return rows, everything


def stored_bytes(node: Node) -> int:
    """Bytes of a node's weights with their scales: two numbers of 4 bits share a byte."""
    return sum(map(_weight_bytes, node.weights.values()))


def _weight_bytes(weight: Weight) -> int:
    packed = weight.bits == 4 and weight.values.dtype.itemsize == 1
    values = (weight.values.size + 1) // 2 if packed else weight.values.nbytes
    return values + (0 if weight.scale is None else weight.scale.nbytes)


def _row(node: Node, graphs: Mapping[str, Graph], layer: Layer | None, logs: Sequence[float]) -> Row:
    alone = count(Graph((node,), "fp32", ()))
    sizes = {}
    for name, graph in graphs.items():
        same = next((other for other in graph if other.name == node.name), None)
        sizes[name] = 0 if same is None else stored_bytes(same)
    place = 0.0
    if layer is not None and layer.divergence > 0:
        span = max(logs) - min(logs)
        place = 0.08 + 0.92 * (math.log(layer.divergence) - min(logs)) / span if span else 1.0
    return Row(
        node.name,
        node.op,
        " × ".join(map(str, node.shape)),
        alone.parameters,
        alone.macs,
        sizes,
        None if layer is None else layer.divergence,
        place,
        layer is not None and layer.in_float,
    )
