"""Is it a graph? The rules of :mod:`edgebuild.graph.ir`, checked node by node."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.graph.ir import ACTIVATIONS, CHANNEL_AXIS, FUSED, OPS, PRECISIONS, Graph, Grid, Node, Weight
from edgebuild.graph.shapes import INPUTS, shape_of

__all__ = ["FIXED_GRIDS", "KEEPS_GRID", "check"]

#: Ops whose tensor has the grid of what they read; a concatenation and all that it joins share one.
KEEPS_GRID = ("flatten", "expand", "pad", "crop", "max_pool", "average_pool", "concat")

#: activation → its grid in every int8 graph: the range of the function is known.
FIXED_GRIDS = {
    "sigmoid": Grid(1 / 256, -128),
    "softmax": Grid(1 / 256, -128),
    "tanh": Grid(1 / 128, 0),
}

#: precision → the type of kernels and of biases; int8 here is for the nodes that have a grid.
_STORED = {
    "fp32": (np.float32, np.float32),
    "fp16": (np.float16, np.float16),
    "w8": (np.int8, np.float32),
    "w4": (np.int8, np.float32),
    "int8": (np.int8, np.int32),
}


def check(graph: Graph, where: str) -> None:
    """Refuse a graph that is not one: unknown ops, dangling inputs, wrong shapes, weights or grids.

    Raises:
        GraphError: naming ``where`` and the node.
    """
    if graph.precision not in PRECISIONS:
        raise GraphError(f"{where}: precision {graph.precision!r} is not one of {', '.join(PRECISIONS)}")
    if not graph.nodes or not graph.pixel_scale > 0:
        raise GraphError(f"{where}: a graph has nodes and a positive pixel_scale, found {graph.pixel_scale}")
    seen: dict[str, Node] = {}
    for index, node in enumerate(graph):
        reason = _structure(node, index, seen)
        if reason is None:
            sources = [seen[name] for name in node.inputs]
            reason = next(iter((*_attributes(node), *_weights(node, graph.precision))), None)
            reason = reason or _shape(node, sources)
            reason = reason or next(_grids(node, sources, graph), None)
        if reason is not None:
            raise GraphError(f"{where}: node {node.name!r}: {reason}")
        seen[node.name] = node


def _structure(node: Node, index: int, seen: dict[str, Node]) -> str | None:
    if node.op not in OPS:
        return f"op {node.op!r} is not one of {', '.join(OPS)}"
    if node.name in seen:
        return "its name is that of a node before it"
    if (node.op == "input") != (index == 0):
        return "a graph has one input, its first node"
    wanted, found = INPUTS.get(node.op, 1), len(node.inputs)
    if found < wanted or (found > wanted and node.op != "concat"):
        return f"{node.op} reads {wanted} tensors, found {found}"
    if missing := [name for name in node.inputs if name not in seen]:
        return f"reads {', '.join(missing)}, which no node before it makes"
    return None


def _attributes(node: Node) -> Iterator[str]:
    taken = OPS[node.op]
    known = ACTIVATIONS if node.op == "activation" else FUSED if "activation" in taken else ("none",)
    if node.activation not in known:
        yield f"the activation of {node.op} is one of {', '.join(known)}, found {node.activation!r}"
    if node.padding not in ("same", "valid"):
        yield f"padding is same or valid, found {node.padding!r}"
    if min(*node.strides, *node.window) < 1:
        yield f"strides and window must be at least 1, found {node.strides} and {node.window}"
    if min(*node.pads[0], *node.pads[1]) < 0:
        yield f"pads cannot be negative, found {node.pads}"
    for key, default in (("strides", (1, 1)), ("window", (1, 1)), ("pads", ((0, 0), (0, 0)))):
        if key not in taken and getattr(node, key) != default:
            yield f"{node.op} takes no {key}, found {getattr(node, key)}"


def _weights(node: Node, precision: str) -> Iterator[str]:
    wanted = ("kernel", "bias") if node.op in CHANNEL_AXIS else ()
    if sorted(node.weights) != sorted(wanted):
        yield f"{node.op} has the weights {wanted}, found {tuple(node.weights)}"
        return
    if not wanted:
        return
    kernel, bias = node.weights["kernel"], node.weights["bias"]
    axis = CHANNEL_AXIS[node.op]
    rank = 2 if node.op == "dense" else 4
    if kernel.values.ndim != rank or kernel.axis != axis:
        yield f"its kernel has {rank} axes with channels on axis {axis}, found {kernel.values.shape}"
    elif bias.values.shape != (kernel.values.shape[axis],):
        yield f"its bias has one number per channel, found {bias.values.shape} for {kernel.values.shape}"
    stored = _STORED["fp32" if precision == "int8" and node.grid is None else precision]
    for key, weight, kind in zip(("kernel", "bias"), (kernel, bias), stored, strict=True):
        if weight.values.dtype != kind:
            yield f"its {key} is {np.dtype(kind)} in {precision}, found {weight.values.dtype}"
        yield from _scale(key, weight, precision)


def _scale(key: str, weight: Weight, precision: str) -> Iterator[str]:
    if (weight.scale is None) != (weight.values.dtype.kind == "f"):
        yield f"its {key} has a scale exactly if it holds integers"
    elif weight.scale is not None and weight.scale.shape != (weight.values.shape[weight.axis],):
        yield f"its {key} has one scale per channel, found {weight.scale.shape}"
    if weight.bits != 8:
        if weight.bits != 4 or precision != "w4" or weight.values.dtype != np.int8:
            yield f"only int8 kernels of w4 have 4 bits, found {weight.bits} on its {key} in {precision}"
        elif np.abs(weight.values.astype(np.int32)).max(initial=0) > 7:
            yield f"4 bits hold [-7, 7], but its {key} exceeds it"


def _shape(node: Node, sources: list[Node]) -> str | None:
    shapes = [source.shape for source in sources]
    wanted = shape_of(node, shapes)
    if wanted is None:
        return f"{node.op} cannot read {' and '.join(map(str, shapes))}"
    return None if node.shape == wanted else f"its shape is {wanted}, found {node.shape}"


def _grids(node: Node, sources: list[Node], graph: Graph) -> Iterator[str]:
    if graph.precision != "int8":
        if node.grid is not None or node.op in ("quantize", "dequantize"):
            yield "only int8 graphs have a grid and the ops quantize and dequantize"
        return
    if node.grid is None and (node.op == "input" or node is graph.output):
        yield "input and output of an int8 graph have a grid"
    if node.op in ("quantize", "dequantize") and (node.grid is None) == (node.op == "quantize"):
        yield "the result of quantize has a grid, that of dequantize has none"
    reads_codes = node.op == "dequantize" or (node.grid is not None and node.op != "quantize")
    for source in sources:
        if (source.grid is None) == reads_codes:
            yield f"it reads {'codes' if reads_codes else 'floats'}, but {source.name!r} holds the others"
        elif node.grid is not None and node.op in KEEPS_GRID and source.grid != node.grid:
            yield f"{node.op} keeps the grid of what it reads, but {source.name!r} has another"
    if node.grid is not None and node.grid != FIXED_GRIDS.get(node.activation, node.grid):
        yield f"the grid of {node.activation} is {FIXED_GRIDS[node.activation]}, found {node.grid}"
