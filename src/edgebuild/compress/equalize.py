"""Cross-layer equalization: the same function, with weights that share their ranges fairly.

Nagel, van Baalen, Blankevoort and Welling 2019, "Data-Free Quantization Through
Weight Equalization and Bias Correction", section 4.1. A function f with
``f(s·x) = s·f(x)`` for s > 0 lets a factor per channel move from one layer to
the next: divide channel i of the first layer by sᵢ and multiply what the
second does to it. Equation 11 gives the sᵢ at which both ranges are equal.

What is homogeneous: ReLU, or no activation, in the first layer, and between
the two layers padding, cropping, pooling, flattening. A ReLU6 is not (it cuts
at 6 whatever the scale), so no pair reaches across one; neither across a
tensor that a third node reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import CHANNEL_AXIS, Graph, Node, Weight

__all__ = ["Pair", "equalize", "pairs"]

Doubles = npt.NDArray[np.float64]

#: op → the axis of its kernel that has one entry per channel of its input.
INPUT_AXIS: Mapping[str, int] = {"conv2d": 2, "depthwise_conv2d": 2, "dense": 0}

#: Ops that may stand between the two layers of a pair, beside a ReLU of its own.
HOMOGENEOUS = frozenset(
    {"pad", "crop", "max_pool", "average_pool", "global_average_pool", "flatten", "expand"}
)

#: The pairs of a chain disturb one another, so they are visited in turn until nothing moves by more than
TOLERANCE = 1e-3
#: of a factor, and so many times at most.
ROUNDS = 100


@dataclass(frozen=True)
class Pair:
    """Two layers that equalization may balance: the names of their nodes."""

    first: str
    second: str


def equalize(graph: Graph) -> Graph:
    """An fp32 graph that computes the same with the weight ranges of each pair of layers equalized."""
    found = pairs(graph)
    kernels = {node.name: node.weights["kernel"].real().astype(np.float64) for node in graph if node.weights}
    biases = {node.name: node.weights["bias"].real().astype(np.float64) for node in graph if node.weights}
    for _ in range(ROUNDS):
        moved = 0.0
        for pair in found:
            first, second = graph[pair.first], graph[pair.second]
            factors = _factors(first, kernels[first.name], second, kernels[second.name])
            axis = CHANNEL_AXIS[first.op]
            kernels[first.name] = kernels[first.name] / _along(factors, kernels[first.name], axis)
            biases[first.name] = biases[first.name] / factors
            axis = INPUT_AXIS[second.op]
            kernels[second.name] = kernels[second.name] * _along(factors, kernels[second.name], axis)
            moved = max(moved, float(np.abs(np.log(factors)).max()))
        if moved < TOLERANCE:
            break
    nodes = tuple(
        replace(node, weights=_weights(node, kernels[node.name], biases[node.name])) if node.weights else node
        for node in graph
    )
    return replace(graph, nodes=nodes)


def pairs(graph: Graph) -> tuple[Pair, ...]:
    """The pairs of layers between which channels may be scaled, in order."""
    found = []
    for node in graph:
        if node.weights and node.activation in ("none", "relu"):
            second = _only_reader(graph, node)
            while second is not None and _is_homogeneous(second):
                second = _only_reader(graph, second)
            if second is not None and second.weights:
                found.append(Pair(node.name, second.name))
    return tuple(found)


def _only_reader(graph: Graph, node: Node) -> Node | None:
    readers = graph.consumers(node.name)
    return readers[0] if len(readers) == 1 else None


def _is_homogeneous(node: Node) -> bool:
    return node.op in HOMOGENEOUS or (node.op == "activation" and node.activation == "relu")


def _factors(first: Node, before: Doubles, second: Node, after: Doubles) -> Doubles:
    """Equation 11: ``sᵢ = √(r₁ᵢ·r₂ᵢ) / r₂ᵢ``, and 1 where a channel is dead on either side: (channels,).

    A range is the largest absolute weight, as quantization is symmetric.
    """
    channels = before.shape[CHANNEL_AXIS[first.op]]
    own = _largest(before, CHANNEL_AXIS[first.op])
    # Flattening puts the channels of one pixel after those of the next: channel = index mod channels.
    theirs = _largest(after, INPUT_AXIS[second.op]).reshape(-1, channels).max(axis=0)
    alive = (own > 0) & (theirs > 0)
    return np.sqrt(np.where(alive, own, 1) / np.where(alive, theirs, 1))


def _largest(kernel: Doubles, axis: int) -> Doubles:
    others = tuple(index for index in range(kernel.ndim) if index != axis)
    return np.asarray(np.abs(kernel).max(axis=others))


def _along(factors: Doubles, kernel: Doubles, axis: int) -> Doubles:
    """``factors`` in the shape that multiplies ``axis`` of ``kernel``, repeated for each flattened pixel."""
    shape = [1] * kernel.ndim
    shape[axis] = -1
    return np.tile(factors, kernel.shape[axis] // len(factors)).reshape(shape)


def _weights(node: Node, kernel: Doubles, bias: Doubles) -> dict[str, Weight]:
    return {
        "kernel": replace(node.weights["kernel"], values=kernel.astype(np.float32)),
        "bias": replace(node.weights["bias"], values=bias.astype(np.float32)),
    }
