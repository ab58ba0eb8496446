"""What a graph costs: parameters, non-zero parameters, multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from edgebuild.graph.ir import Graph, Node

__all__ = ["Counts", "count"]


@dataclass(frozen=True)
class Counts:
    """Per network: numbers stored, numbers that are not zero, MACs for one image."""

    parameters: int
    nonzero_parameters: int
    macs: int


def count(graph: Graph) -> Counts:
    """Count kernels and biases, and the multiply-accumulates of one inference.

    MACs are those of convolutions and dense layers, zeros and padding included:
    what a runtime without sparse kernels executes. As usual in the literature,
    poolings, sums, products and activations of tensors count as none.
    """
    stored = [weight.values for node in graph for weight in node.weights.values()]
    return Counts(
        parameters=sum(values.size for values in stored),
        nonzero_parameters=sum(int(np.count_nonzero(values)) for values in stored),
        macs=sum(_macs(node) for node in graph),
    )


def _macs(node: Node) -> int:
    if "kernel" not in node.weights:
        return 0
    kernel = node.weights["kernel"].values.shape
    if node.op == "dense":
        return prod(kernel)
    height, width, _ = node.shape
    # A depthwise kernel (kh, kw, in, 1) meets one input channel per output channel.
    return height * width * prod(kernel)
