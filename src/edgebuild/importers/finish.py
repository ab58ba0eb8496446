"""From the nodes that a file gave to the graph: the output, known patterns, and what simplification does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.graph.check import check
from edgebuild.graph.ir import Graph, Node
from edgebuild.graph.simplify import simplify
from edgebuild.importers.layout import Refused, Tensor, arranged
from edgebuild.importers.network import Network

__all__ = ["MALFORMED", "Reason", "finish", "listed"]

#: Operators that a message names, of those that have the same reason.
NAMED = 3

#: What attributes and constants of a damaged file end in that passes its format's own check.
MALFORMED = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, ZeroDivisionError)


def finish(network: Network, output: Tensor, where: str, final: str) -> Graph:
    """The fp32 graph from the image to ``output``, without a last ``final`` activation.

    Labels are the numbers of the outputs.

    Raises:
        GraphError: the output is no vector, or the graph is not one.
    """
    height, width, channels = output.sides
    if (height, width) != (1, 1):
        raise GraphError(
            f"{where}: its output is a map, {height} × {width} × {channels} (height, width, channels); end the network "
            f"with one number for each output, by a pooling over the whole map or a dense layer"
        )
    try:
        found = network.vector(arranged(output, "nc", "nchw", "nhwc", "nch", "nhc"))
    except Refused as error:
        raise GraphError(f"{where}: its output: {error}") from None
    if found.order is not None:
        raise GraphError(
            f"{where}: its output is a map, flattened channel by channel; end the network with a layer that "
            f"gives one number for each output, or export it with NHWC axes"
        )
    nodes = _without_last(_needed(list(network.nodes.values()), found.node), final)
    if unknown := [node.name for node in nodes if node.activation == "log_softmax"]:
        raise GraphError(
            f"{where}: {', '.join(unknown)}: a LogSoftmax is none of the graph's activations; leave it out before "
            f"export: a softmax of what it reads gives the same probabilities"
        )
    if len(nodes) < 2:
        raise GraphError(f"{where}: there is nothing between its input and its output")
    graph = Graph(simplify(_recognized(nodes)), "fp32", tuple(map(str, range(found.size("c")))))
    check(graph, where)
    return graph


@dataclass(frozen=True)
class Reason:
    """Why one operator of a file cannot be part of the graph."""

    name: str
    op: str
    reason: str


def listed(where: str, reasons: Sequence[Reason]) -> str:
    """One message of all ``reasons``; operators of one kind with the same reason share a line."""
    lines: dict[tuple[str, str], list[str]] = {}
    for reason in reasons:
        lines.setdefault((reason.op, reason.reason), []).append(f"'{reason.name}'")
    shown = [f"{_enumerated(names)} ({op}): {reason}" for (op, reason), names in lines.items()]
    return (
        f"{where}: {shown[0]}"
        if len(shown) == 1
        else "\n  ".join([f"{where}: {len(shown)} problems:", *shown])
    )


def _enumerated(names: Sequence[str]) -> str:
    kind = "operator" if len(names) == 1 else "operators"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{kind} {', '.join(names[:NAMED])}{more}"


def _needed(nodes: Sequence[Node], output: str) -> list[Node]:
    """The nodes that ``output`` depends on, which then is the last, and the image."""
    known = {node.name: node for node in nodes}
    wanted, waiting = {nodes[0].name}, [output]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += known[name].inputs
    kept = [node for node in nodes if node.name in wanted and node.name != output]
    return [*kept, known[output]] if kept else [known[output]]


def _without_last(nodes: list[Node], final: str) -> list[Node]:
    """Logits instead of probabilities: softmax(log_softmax(x)) is softmax(x) as well."""
    ends = (final, "log_softmax") if final == "softmax" else (final,)
    if final and nodes[-1].op == "activation" and nodes[-1].activation in ends:
        return _needed(nodes, nodes[-1].inputs[0])
    return nodes


def _recognized(nodes: Sequence[Node]) -> list[Node]:
    """Patterns that files write for what is one node here; what is then read by nobody is left out."""
    made: dict[str, Node] = {}
    readers = Counter(name for node in nodes for name in node.inputs)
    for node in nodes:
        made[node.name] = _hard_silu(node, made) or _pooled(node, made, readers) or node
    return _needed(list(made.values()), nodes[-1].name)


def _pooled(node: Node, made: dict[str, Node], readers: Counter[str]) -> Node | None:
    """A mean over the map that is only read as a vector gives one."""
    if node.op != "flatten":
        return None
    pool = made[node.inputs[0]]
    if pool.op == "global_average_pool" and readers[pool.name] == 1:
        return replace(pool, name=node.name, shape=node.shape)
    return None


def _hard_silu(node: Node, made: dict[str, Node]) -> Node | None:
    """x · (relu6(x + 3) / 6), and (x · relu6(x + 3)) / 6."""
    product, factor = node, 1.0
    if node.op == "affine" and made[node.inputs[0]].op == "multiply":
        product, factor = made[node.inputs[0]], _scale(node, 0.0) or 0.0
    if product.op != "multiply" or len(product.inputs) != 2:
        return None
    for x, gate in (product.inputs, product.inputs[::-1]):
        scale, clipped = factor, made[gate]
        while clipped.op == "affine" and (step := _scale(clipped, 0.0)) is not None:
            scale, clipped = scale * step, made[clipped.inputs[0]]
        if clipped.activation != "relu6" or clipped.op != "activation" or not np.isclose(scale, 1 / 6):
            continue
        moved, slope, offset = made[clipped.inputs[0]], 1.0, 0.0
        while moved.op == "affine":
            kernel, bias = (np.unique(moved.weights[key].values) for key in ("kernel", "bias"))
            if kernel.size != 1 or bias.size != 1:
                break
            slope, offset = slope * float(kernel[0]), offset + slope * float(bias[0])
            moved = made[moved.inputs[0]]
        if moved.name == x and np.isclose(slope, 1) and np.isclose(offset, 3):
            return Node(node.name, "activation", (x,), node.shape, activation="hard_silu")
    return None


def _scale(node: Node, offset: float) -> float | None:
    """The one number that an affine node multiplies all channels by, if it adds ``offset`` to all."""
    kernel, bias = (np.unique(node.weights[key].values) for key in ("kernel", "bias"))
    return float(kernel[0]) if kernel.size == 1 and np.all(bias == offset) else None
