"""Which tensors of an int8 graph share a grid, which grids are given, and which tensors have none.

The rules are those of integer kernels: TFLite's int8 concatenation and pooling copy codes, so
their tensors must count in the same steps, and its LOGISTIC, SOFTMAX and TANH write one grid only
("TensorFlow Lite 8-bit quantization specification"). This module is their only home:
:func:`on_grid` applies them, and quantization, simulation and analysis all start from its graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.graph.check import FIXED_GRIDS, KEEPS_GRID
from edgebuild.graph.ir import Graph, Grid, Node

__all__ = ["COPIES", "FIXED_GRID", "SAME_GRID", "grid_of", "on_grid", "shared"]

#: Ops whose tensor holds codes of their inputs; a concat also makes its inputs share one grid.
COPIES = frozenset(KEEPS_GRID)

#: Ops that only move or select codes: their tensor keeps the grid of its one input.
SAME_GRID = COPIES - {"concat"}

#: Activations whose range is known: their tensor has this grid whatever was observed.
FIXED_GRID: Mapping[str, Grid] = FIXED_GRIDS


def grid_of(low: float, high: float) -> Grid:
    """The int8 grid that spans [low, high] and represents zero exactly.

    Jacob et al. 2018, section 3: the range is widened to contain 0, and the
    zero point is the code nearest to it. A range of no width (a dead tensor)
    gets scale 1, which represents its zeros.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))
    if scale < np.finfo(np.float32).tiny:
        return Grid(1.0, 0)
    return Grid(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def on_grid(graph: Graph, grids: Mapping[str, Grid], keep_float: Collection[str] = ()) -> Graph:
    """``graph`` with the grids of its int8 execution; weights and precision stay as they are.

    Nodes named in ``keep_float`` get no grid, nor do nodes without weights that
    read nothing but such: "dequantize" nodes are put in front of them and
    "quantize" nodes behind. So is a pair of them where a tensor of a fixed grid
    enters a concat of another one. The input always has a grid, and the output
    too: if need be, a "quantize" node becomes the output.

    Args:
        grids: tensor → grid, as :func:`edgebuild.compress.ranges.observe` gives them.

    Raises:
        GraphError: a name of ``keep_float`` is not a node, or is the input.
        KeyError: a tensor has no grid.
    """
    _check_names(graph, keep_float)
    keep_float = _with_followers(graph, keep_float)
    writer = _Writer({node.name for node in graph})
    for node in graph:
        if node.name in keep_float:
            inputs = tuple(writer.real(name) for name in node.inputs)
            writer.put(replace(node, inputs=inputs))
            continue
        inputs = tuple(writer.codes(name, grids) for name in node.inputs)
        given = _given(node, inputs, writer.given)
        if node.op == "concat" and given is None:
            fixed = [name for name in inputs if writer.given[name] is not None]
            inputs = tuple(writer.again(name, node.name) if name in fixed else name for name in inputs)
        copied = writer.nodes[inputs[0]].grid if node.op in COPIES else None
        writer.given[node.name] = given
        writer.put(replace(node, inputs=inputs, grid=given or copied or grids[node.name]))
    if graph.output.name in keep_float:
        writer.codes(graph.output.name, grids)
    placed = replace(graph, nodes=tuple(writer.nodes.values()))
    own = {node.name: node.grid for node in placed if node.grid is not None}
    settled = shared(placed, own)
    return replace(placed, nodes=tuple(replace(node, grid=settled.get(node.name)) for node in placed))


def shared(graph: Graph, grids: Mapping[str, Grid]) -> dict[str, Grid]:
    """``grids`` after every tensor has come to terms with those it shares a grid with.

    A set of tensors that share takes the grid that spans those of its sources,
    the members that are not themselves copies of others. Tensors that
    ``grids`` leaves out are in no set.
    """
    parent = {name: name for name in grids}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    copies = set()
    for node in graph:
        if node.name in grids and node.op in COPIES:
            copies.add(node.name)
            for name in node.inputs:
                parent[root(name)] = root(node.name)
    sources: dict[str, list[Grid]] = {}
    for name, grid in grids.items():
        if name not in copies:
            sources.setdefault(root(name), []).append(grid)
    spanned = {name: _spanning(members) for name, members in sources.items()}
    return {name: spanned[root(name)] for name in grids}


def _spanning(grids: Iterable[Grid]) -> Grid:
    """The grid that reaches from the lowest to the highest real value of all of them."""
    different = list(dict.fromkeys(grids))
    if len(different) == 1:
        return different[0]
    low = min(grid.scale * (-128 - grid.zero_point) for grid in different)
    high = max(grid.scale * (127 - grid.zero_point) for grid in different)
    return grid_of(low, high)


def _given(node: Node, inputs: tuple[str, ...], given: Mapping[str, Grid | None]) -> Grid | None:
    """The grid that ``node`` must have because of what it or its inputs are; None where it is free."""
    if node.op == "activation":
        return FIXED_GRID.get(node.activation)
    if node.op in SAME_GRID:
        return given[inputs[0]]
    if node.op == "concat":
        kinds = {given[name] for name in inputs}
        return kinds.pop() if len(kinds) == 1 else None
    return None


def _with_followers(graph: Graph, keep_float: Collection[str]) -> set[str]:
    """``keep_float`` and the nodes without weights all of whose inputs are in it, and so on."""
    kept = set(keep_float)
    for node in graph.nodes[1:]:
        if not node.weights and kept.issuperset(node.inputs):
            kept.add(node.name)
    return kept


def _check_names(graph: Graph, keep_float: Collection[str]) -> None:
    names = {node.name for node in graph}
    unknown = sorted(set(keep_float) - names)
    if unknown:
        raise GraphError(f"to keep in float32: {unknown} are no nodes of the graph; it has {sorted(names)}")
    if graph.input.name in keep_float:
        raise GraphError(
            f"{graph.input.name} is the input and has to be on the grid; keep its readers in float32"
        )


@dataclass
class _Writer:
    """The nodes written so far, by name, and the copies of their tensors in the other number format."""

    taken: set[str]
    nodes: dict[str, Node] = field(default_factory=dict)
    given: dict[str, Grid | None] = field(default_factory=dict)
    copies: dict[tuple[str, str], str] = field(default_factory=dict)

    def put(self, node: Node) -> None:
        self.nodes[node.name] = node

    def real(self, name: str) -> str:
        """The float32 tensor of ``name``, which is itself or a dequantized copy."""
        if self.nodes[name].grid is None:
            return name
        return self._copy(name, "dequantize", "real", None)

    def codes(self, name: str, grids: Mapping[str, Grid]) -> str:
        """The int8 tensor of ``name``, which is itself or a quantized copy."""
        if self.nodes[name].grid is not None:
            return name
        return self._copy(name, "quantize", "codes", grids[name])

    def again(self, name: str, reader: str) -> str:
        """A copy of an int8 tensor whose grid is free to become that of ``reader``."""
        return self._copy(self.real(name), "quantize", f"for_{reader}", self.nodes[name].grid)

    def _copy(self, name: str, op: str, suffix: str, grid: Grid | None) -> str:
        if (name, suffix) not in self.copies:
            new = f"{name}_{suffix}"
            while new in self.taken:
                new += "_"
            self.taken.add(new)
            self.copies[name, suffix] = new
            self.given[new] = None
            self.put(Node(new, op, (name,), self.nodes[name].shape, grid=grid))
        return self.copies[name, suffix]
