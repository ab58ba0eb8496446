"""The shape that every op gives, worked out from the shapes that it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

from edgebuild.graph.ir import Node

__all__ = ["INPUTS", "shape_of"]

Shape = tuple[int, ...]

#: op → the number of tensors that it reads; a concatenation reads two or more.
INPUTS: Mapping[str, int] = {"input": 0, "add": 2, "multiply": 2, "concat": 2}


def shape_of(node: Node, inputs: Sequence[Shape]) -> Shape | None:
    """What ``node.shape`` must be, or None if tensors of these shapes cannot be read by its op."""
    if node.op == "input":
        return node.shape
    return _SHAPES[node.op](node, list(inputs))


def _dense(node: Node, inputs: list[Shape]) -> Shape | None:
    before, after = node.weights["kernel"].values.shape
    return (after,) if inputs[0] == (before,) else None


def _convolution(node: Node, inputs: list[Shape]) -> Shape | None:
    kernel = node.weights["kernel"].values.shape
    if len(inputs[0]) != 3 or inputs[0][2] != kernel[2]:
        return None
    return _slid(node, inputs[0], kernel[:2], kernel[3] if node.op == "conv2d" else kernel[2])


def _pool(node: Node, inputs: list[Shape]) -> Shape | None:
    return _slid(node, inputs[0], node.window, inputs[0][2]) if len(inputs[0]) == 3 else None


def _slid(node: Node, image: Shape, window: Shape, channels: int) -> Shape | None:
    if node.padding == "same":
        sides = [-(-size // stride) for size, stride in zip(image, node.strides, strict=False)]
    else:
        sides = [
            (size - side) // stride + 1
            for size, side, stride in zip(image, window, node.strides, strict=False)
        ]
    return (*sides, channels) if min(sides) > 0 else None


def _equal(node: Node, inputs: list[Shape]) -> Shape | None:
    return inputs[0] if inputs[0] == inputs[1] else None


def _multiply(node: Node, inputs: list[Shape]) -> Shape | None:
    low, high = sorted(inputs, key=prod)
    return high if low == high or (len(high) == 3 and low == (1, 1, high[2])) else None


def _concat(node: Node, inputs: list[Shape]) -> Shape | None:
    if len({shape[:-1] for shape in inputs}) != 1:
        return None
    return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))


def _global_average_pool(node: Node, inputs: list[Shape]) -> Shape | None:
    if len(inputs[0]) != 3:
        return None
    channels = inputs[0][2]
    return (1, 1, channels) if len(node.shape) == 3 else (channels,)


def _padded(node: Node, inputs: list[Shape]) -> Shape | None:
    if len(inputs[0]) != 3:
        return None
    sign = 1 if node.op == "pad" else -1
    height, width = (size + sign * sum(pads) for size, pads in zip(inputs[0], node.pads, strict=False))
    return (height, width, inputs[0][2]) if min(height, width) > 0 else None


_SHAPES: Mapping[str, Callable[[Node, list[Shape]], Shape | None]] = {
    "conv2d": _convolution,
    "depthwise_conv2d": _convolution,
    "dense": _dense,
    "add": _equal,
    "multiply": _multiply,
    "concat": _concat,
    "max_pool": _pool,
    "average_pool": _pool,
    "global_average_pool": _global_average_pool,
    "pad": _padded,
    "crop": _padded,
    "activation": lambda node, inputs: inputs[0],
    "flatten": lambda node, inputs: (prod(inputs[0]),),
    "expand": lambda node, inputs: (1, 1, *inputs[0]) if len(inputs[0]) == 1 else None,
    "dequantize": lambda node, inputs: inputs[0],
    "quantize": lambda node, inputs: inputs[0],
}
