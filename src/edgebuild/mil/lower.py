"""From an inference graph to a MIL program, node by node.

The caller passes coremltools' MIL package, so that this file imports no
vendor. Tensors become (batch, channels, height, width). int8 activations
become quantize/dequantize pairs after every node with the graph's own scale
and int8 zero point, which is how Core ML states that activations are integers;
what runs between two pairs is float32 or float16 arithmetic on numbers of the
grid. A graph's own "quantize" is one such pair, its "dequantize" is nothing at
all: the float32 nodes of a mixed graph read what the pair before them gave.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.graph.ir import Graph, Grid, Node
from edgebuild.mil.lower_ops import OPERATIONS, fused
from edgebuild.mil.storage import Building

__all__ = ["INPUT", "OUTPUT", "lower"]

INPUT = "image"
OUTPUT = "logits"

Namer = Callable[[str], str]


def lower(
    graph: Graph, toolkit: Any, target: Any, *, half: bool, ios18: bool = False, flexible: bool = False
) -> Any:
    """The coremltools Program of ``graph``, with float32 input and output in every precision.

    Args:
        toolkit: the package ``coremltools.converters.mil.mil``.
        target: the deployment target whose operation set is used.
        half: compute in float16.
        ios18: the target is iOS 18 or later.
        flexible: the batch is a symbol instead of 1.

    Raises:
        GraphError: an op, activation or number that cannot be represented.
    """
    if len(graph.output.shape) != 1:
        raise GraphError(
            f"{graph.output.name}: one number per class is required as output, found {graph.output.shape}; flatten it"
        )
    height, width, channels = graph.input.shape
    unique = _namer(INPUT, OUTPUT)
    batch = toolkit.get_new_symbol() if flexible else 1
    kind = np.float16 if half else np.float32
    to = Building(graph, toolkit.Builder, toolkit.types, kind, ios18, batch, unique)

    def main(image: Any) -> Any:
        tensors: dict[str, Any] = {}
        for node in graph:
            sources = [tensors[name] for name in node.inputs] or [image]
            last = node is graph.output and not half
            tensors[node.name] = _tensor(to, node, sources, OUTPUT if last else unique(node.name))
        result = tensors[graph.output.name]
        return to.mb.cast(x=result, dtype="fp32", name=OUTPUT) if half else result

    specs = [to.mb.TensorSpec((batch, channels, height, width))]
    program = to.mb.program(input_specs=specs, opset_version=target)(main)
    _name_constants(program.functions["main"].operations, unique)
    return program


def _name_constants(operations: Iterable[Any], unique: Namer) -> None:
    """After their reader: the builder numbers them by how many it has made in this process."""
    for operation in operations:
        for parameter, value in operation.inputs.items():
            if getattr(getattr(value, "op", None), "op_type", None) == "const":
                value.op.name = unique(f"{operation.name}_{parameter}")
                value.set_name(value.op.name)


def _namer(*taken: str) -> Namer:
    """A function from wanted names to valid, unused ones: letters, digits and underscores."""
    used = set(taken)

    def unique(wanted: str) -> str:
        stem = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        stem = f"_{stem}" if stem[:1].isdigit() else stem
        name, count = stem, 1
        while name in used:
            count += 1
            name = f"{stem}_{count}"
        used.add(name)
        return name

    return unique


def _tensor(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    """``node`` whole: operation, activation, grid. The result is called ``name``."""
    x, grid = sources[0], _grid(to.graph, node)
    if node.op == "input":
        if to.kind is np.float16:
            x = to.mb.cast(x=x, dtype="fp16", name=to.unique(f"{name}_half"))
    elif node.op == "average_pool" and grid is not None and grid == to.graph[node.inputs[0]].grid:
        return _renamed(_mean_of_codes(to, node, x, name, grid), name)
    elif node.op not in ("quantize", "dequantize"):
        operation = OPERATIONS.get(node.op)
        if operation is None:
            known = ", ".join((*OPERATIONS, "quantize", "dequantize"))
            raise GraphError(f"{node.name}: Core ML export does not know op {node.op!r}; known are {known}")
        x = operation(to, node, sources, to.unique(f"{name}_{node.op}"))
        if node.op != "activation":
            x = fused(to, node, x, f"{name}_{node.activation}")
    if grid is not None:
        x = _dequantized(to, _quantized(to, x, grid, name), grid, f"{name}_real")
    return x if x is sources[0] else _renamed(x, name)


def _renamed(x: Any, name: str) -> Any:
    x.op.name = name
    x.set_name(name)
    return x


def _mean_of_codes(to: Building, node: Node, x: Any, name: str, grid: Grid) -> Any:
    """An average pooling that keeps its grid, computed in steps of the grid.

    Every second mean of two codes lies exactly between two codes. In steps it
    still does after division, and goes to the even one, as in the reference;
    scaled to real numbers, rounding would decide.
    """
    steps = Grid(1.0, grid.zero_point)
    counted = _dequantized(to, x.op.inputs["input"], steps, f"{name}_steps")
    mean = OPERATIONS[node.op](to, node, [counted], to.unique(f"{name}_{node.op}"))
    return _dequantized(to, _quantized(to, mean, steps, name), grid, f"{name}_real")


def _quantized(to: Building, x: Any, grid: Grid, name: str) -> Any:
    """The int8 codes of ``x``."""
    return to.mb.quantize(input=x, output_dtype="int8", name=to.unique(f"{name}_codes"), **_numbers(to, grid))


def _dequantized(to: Building, codes: Any, grid: Grid, name: str) -> Any:
    """The real numbers that int8 ``codes`` stand for."""
    return to.mb.dequantize(input=codes, name=to.unique(name), **_numbers(to, grid))


def _numbers(to: Building, grid: Grid) -> dict[str, Any]:
    """``grid`` as parameters.

    Raises:
        GraphError: float16 has no such scale.
    """
    scale = to.kind(grid.scale)
    if scale == 0:
        raise GraphError(f"float16 has no grid of scale {grid.scale:.2g}; compute in float32")
    return {"scale": scale, "zero_point": np.int8(grid.zero_point)}


def _grid(graph: Graph, node: Node) -> Grid | None:
    """The grid that ``node`` ends on; None where it stays in floating point.

    Raises:
        GraphError: an int8 graph in which the borders of its float32 part are not marked.
    """
    if graph.precision != "int8":
        return None
    if node.grid is None and (node is graph.output or node.op == "input"):
        raise GraphError(
            f"{node.name}: an int8 graph needs a grid on its input and output; quantize it first"
        )
    if node.op in ("quantize", "dequantize", "input"):
        return node.grid
    for name in node.inputs:
        if (graph[name].grid is None) != (node.grid is None):
            raise GraphError(
                f"{node.name}: an int8 graph needs a grid on it and on {name}, or on neither, with quantize "
                "and dequantize nodes between; quantize the graph first"
            )
    return node.grid
