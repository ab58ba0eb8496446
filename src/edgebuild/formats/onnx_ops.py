"""How each op of the graph is said in ONNX.

ONNX puts channels before height and width. Every op becomes steps of two
kinds: ``arithmetic`` computes on real numbers, ``moves`` only picks, copies or
pads values and is therefore the same for float32 tensors and for the codes of
an integer grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import Graph, Node, same_padding

__all__ = ["LAYOUTS", "MOVES", "Step", "activation", "arithmetic", "moves", "sums_ones"]

Array = npt.NDArray[np.generic]

#: how a Keras kernel becomes an ONNX one: (out, in, kh, kw), (in, 1, kh, kw), (in, out)
LAYOUTS: Mapping[str, tuple[int, ...]] = {
    "conv2d": (3, 2, 0, 1),
    "depthwise_conv2d": (2, 3, 0, 1),
    "dense": (0, 1),
}

#: Ops that compute nothing: in integer graphs they work on codes, with no rounding.
MOVES = ("flatten", "expand", "pad", "crop", "max_pool", "concat")

#: The last axis of the graph's tensors is axis 1 in ONNX, of maps and of features.
CHANNELS = 1

#: Windows of up to so many pixels are averaged by a convolution. Until 13, products with float32's 1/n round
#: as divisions by n do, ties included.
MOST_ONES = 12
#: Height and width.
SIDES = np.array([2, 3], np.int64)


@dataclass(frozen=True)
class Step:
    """One ONNX operator; ``constants`` are inputs that follow the tensors."""

    op: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: tuple[Array | np.generic, ...] = ()


def arithmetic(node: Node, graph: Graph) -> list[Step]:
    """The steps of ``node`` that compute, without the activation that is part of it.

    The first reads the node's inputs and, of a convolution or dense layer, kernel and bias.
    """
    if node.op in ("conv2d", "depthwise_conv2d"):
        shape = graph[node.inputs[0]].shape
        kernel = node.weights["kernel"].values.shape[:2]
        attributes = _window(node, shape, (kernel[0], kernel[1]))
        if node.op == "depthwise_conv2d" and shape[2] > 1:
            attributes["group"] = shape[2]
        return [Step("Conv", attributes)]
    if node.op == "average_pool":  # ONNX leaves padding out of the mean unless told otherwise
        return _mean(node, graph[node.inputs[0]].shape)
    if node.op == "activation":
        return [activation(node.activation)]
    name = {"dense": "Gemm", "add": "Add", "multiply": "Mul", "global_average_pool": "GlobalAveragePool"}
    return [Step(name[node.op])] if node.op in name else []


def activation(name: str) -> Step:
    """An activation function on real numbers."""
    if name == "relu6":
        return Step("Clip", {}, (np.float32(0), np.float32(6)))
    if name == "softmax":
        return Step("Softmax", {"axis": CHANNELS})
    return Step({"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_silu": "HardSwish"}[name])


def moves(node: Node, graph: Graph, zero: np.generic | None = None) -> list[Step]:
    """The steps of ``node`` that move values. ``zero`` is what padding adds, None a float32 zero."""
    if not node.inputs:
        return []
    shape = graph[node.inputs[0]].shape
    if node.op == "flatten" and len(shape) == 3 and max(shape[:2]) > 1:
        return [Step("Transpose", {"perm": [0, 2, 3, 1]}), Step("Flatten")]
    if node.op == "flatten" or (node.op == "global_average_pool" and len(node.shape) == 1):
        return [] if _stays_a_map(node, graph) else [Step("Flatten")]
    if node.op == "expand":
        return [] if _stays_a_map(graph[node.inputs[0]], graph) else [Step("Unsqueeze", {}, (SIDES,))]
    if node.op == "concat":
        return [Step("Concat", {"axis": CHANNELS})]
    if node.op == "max_pool":
        return [Step("MaxPool", _window(node, shape, node.window))]
    (top, bottom), (left, right) = node.pads
    if node.op == "pad":
        pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        return [Step("Pad", {}, (pads,) if zero is None else (pads, zero))]
    if node.op == "crop":
        first, last = [top, left], [shape[0] - bottom, shape[1] - right]
        return [Step("Slice", {}, (np.array(first, np.int64), np.array(last, np.int64), SIDES))]
    return []


def _stays_a_map(node: Node, graph: Graph) -> bool:
    """Is ``node`` a mean over a map that all its readers make a map of again (squeeze-and-excitation)?"""
    readers = graph.consumers(node.name)
    return (
        node.op == "global_average_pool"
        and bool(readers)
        and all(reader.op == "expand" for reader in readers)
    )


def sums_ones(node: Node, shape: tuple[int, ...]) -> bool:
    """Is an average pool of codes, reading ``shape``, written as a convolution with ones?

    It is where every window has all its pixels: ONNX Runtime executes that exactly and 3 to 50
    times faster than its integer average pool. The kernel takes a byte per pixel and channel.
    """
    return prod(node.window) <= MOST_ONES and "pads" not in _window(node, shape, node.window)


def _mean(node: Node, shape: tuple[int, ...]) -> list[Step]:
    attributes = _window(node, shape, node.window)
    if node.grid is None:
        return [Step("AveragePool", attributes)]
    if sums_ones(node, shape):
        return [Step("Conv", {**attributes, "group": shape[2]})]
    # The integer average pool adds the zero point before it rounds halves to even, the reference after:
    # they agree on even zero points. On odd ones a Clip without bounds keeps the mean in float.
    return [*([Step("Clip")] if node.grid.zero_point % 2 else []), Step("AveragePool", attributes)]


def _window(node: Node, shape: tuple[int, ...], window: tuple[int, int]) -> dict[str, Any]:
    """Attributes of a sliding window."""
    attributes: dict[str, Any] = {}
    if not node.weights:  # else it is that of the kernel
        attributes["kernel_shape"] = list(window)
    if node.strides != (1, 1):
        attributes["strides"] = list(node.strides)
    if node.padding == "same":
        before, after = zip(
            *(same_padding(*axis) for axis in zip(shape, window, node.strides, strict=False)), strict=True
        )
        if any(before + after):
            attributes["pads"] = [*before, *after]
    return attributes
