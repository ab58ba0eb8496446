"""What convolutions and poolings have in common: windows that slide over a map.

Everything here works on any dtype, so that the float and the integer executor
share it. Maps are ``(n, height, width, channels)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import Node, same_padding

__all__ = ["SUMS", "cropped", "largest", "padded", "totals"]

Array = npt.NDArray[Any]


def padded(node: Node, image: Array, fill: float) -> Array:
    """The map of a "pad" node: ``fill`` stands for the real number 0."""
    return np.pad(image, ((0, 0), *node.pads, (0, 0)), constant_values=fill)


def cropped(node: Node, image: Array) -> Array:
    """The map of a "crop" node."""
    _, height, width, _ = image.shape
    (top, bottom), (left, right) = node.pads
    return image[:, top : height - bottom, left : width - right]


def largest(node: Node, image: Array) -> Array:
    """The largest value in each window of a "max_pool" node; padding never wins."""
    lowest = np.iinfo(image.dtype).min if image.dtype.kind == "i" else -np.inf
    patches = _patches(node, image, node.window, lowest)
    result = patches[0].copy()
    for patch in patches[1:]:
        np.maximum(result, patch, out=result)
    return result


def totals(node: Node, image: Array) -> tuple[Array, Array]:
    """For each window of an "average_pool" node its sum, and how many pixels of the map it holds.

    The counts are float32 ``(1, oh, ow, 1)``: windows that overlap the padding hold fewer.
    """
    pixels = np.ones((1, *image.shape[1:3], 1), np.float32)
    return _total(_patches(node, image, node.window)), _total(_patches(node, pixels, node.window))


def _total(patches: list[Array]) -> Array:
    result = patches[0].copy()
    for patch in patches[1:]:
        result += patch
    return result


def _patches(node: Node, image: Array, window: tuple[int, ...], fill: float = 0) -> list[Array]:
    """For each position in the window, row by row, the pixels that it meets: (n, oh, ow, c)."""
    if node.padding == "same":
        rows, columns = (
            same_padding(size, *sides)
            for size, *sides in zip(image.shape[1:3], window, node.strides, strict=False)
        )
        image = np.pad(image, ((0, 0), rows, columns, (0, 0)), constant_values=fill)
    (height, width, _), (down, right) = node.shape, node.strides
    return [
        image[:, y : y + (height - 1) * down + 1 : down, x : x + (width - 1) * right + 1 : right]
        for y in range(window[0])
        for x in range(window[1])
    ]


def _conv2d(node: Node, image: Array, kernel: Array) -> Array:
    patches = _patches(node, image, kernel.shape[:2])
    columns = np.concatenate(patches, axis=-1) if len(patches) > 1 else patches[0]
    flat = kernel.reshape(-1, kernel.shape[3])
    # One product for all images: numpy would make one for every row of every image.
    return np.asarray((columns.reshape(-1, len(flat)) @ flat).reshape(-1, *node.shape))


def _depthwise_conv2d(node: Node, image: Array, kernel: Array) -> Array:
    flat = kernel.reshape(-1, kernel.shape[2])
    patches = _patches(node, image, kernel.shape[:2])
    total: Array = patches[0] * flat[0]
    for patch, weight in zip(patches[1:], flat[1:], strict=True):
        total += patch * weight
    return total


def _dense(node: Node, features: Array, kernel: Array) -> Array:
    del node
    return np.asarray(features @ kernel)


#: op → the sum of products, in the dtype of its operands; no bias, no activation.
SUMS: Mapping[str, Callable[[Node, Array, Array], Array]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "dense": _dense,
}
