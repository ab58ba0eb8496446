"""Sliding windows over images: padding, strides, and the memory order that makes them fast.

MIL's images are (batch, channels, height, width). All windowed operations here
work on ``(channels, height, width, batch)`` memory: then a 1x1 convolution of a
whole batch is one matrix product, and a shifted window runs over long
contiguous rows. Results are handed on as transposed views, and numpy's
elementwise operations keep that order, so nothing is copied between layers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Inputs, flag, integers, text
from edgebuild.mil.program import Array

__all__ = ["Window", "batch_first", "batch_last", "read_window"]

Real = npt.NDArray[np.float32]


class Window:
    """Geometry of a window of ``size`` moved by ``strides`` over a padded ``image`` (all height, width)."""

    def __init__(
        self,
        image: tuple[int, int],
        size: tuple[int, int],
        strides: tuple[int, int],
        padding: tuple[int, int, int, int],
    ) -> None:
        self.size, self.strides, self.padding = size, strides, padding
        top, bottom, left, right = padding
        padded = (image[0] + top + bottom, image[1] + left + right)
        self.out = tuple((length - k) // s + 1 for length, k, s in zip(padded, size, strides, strict=True))
        if min(self.out) < 1 or min(padding) < 0 or min(strides) < 1:
            raise GraphError(
                f"a window of {size} does not fit into an image of {padded} with strides {strides}"
            )

    def pad(self, image: Real, fill: float = 0.0) -> Real:
        """``(channels, height, width, batch)`` contiguous, with its border filled."""
        if not any(self.padding):
            return np.ascontiguousarray(image)
        top, bottom, left, right = self.padding
        channels, height, width, batch = image.shape
        padded = np.full((channels, height + top + bottom, width + left + right, batch), fill, np.float32)
        padded[:, top : top + height, left : left + width] = image
        return padded

    def taps(self, padded: Real, first: int = 0, last: int | None = None) -> Iterator[tuple[int, int, Real]]:
        """For each place in the window: row, column, what it sees for output rows ``first`` to ``last``."""
        rows = (self.out[0] if last is None else last) - first
        down, across = self.strides
        for row in range(self.size[0]):
            start = row + first * down
            for column in range(self.size[1]):
                yield (
                    row,
                    column,
                    padded[
                        :,
                        start : start + (rows - 1) * down + 1 : down,
                        column : column + (self.out[1] - 1) * across + 1 : across,
                    ],
                )


def batch_last(x: Array) -> Real:
    """(batch, channels, height, width) seen as (channels, height, width, batch)."""
    if x.ndim != 4 or x.dtype != np.float32:
        raise GraphError(
            f"parameter x must be a floating point image of rank 4, found {x.dtype} of shape {x.shape}"
        )
    return x.astype(np.float32, copy=False).transpose(1, 2, 3, 0)


def batch_first(y: Real) -> Real:
    """The inverse of :func:`batch_last`."""
    return y.transpose(3, 0, 1, 2)


def read_window(inputs: Inputs, image: tuple[int, int], size: tuple[int, int]) -> Window:
    """The window that ``strides``, ``pad_type`` and ``pad`` describe.

    "same" puts an odd pixel at the end, "same_lower" at the beginning.
    """
    if len(size) != 2:
        raise GraphError(f"only windows over height and width are covered, found {len(size)} axes")
    if flag(inputs, "ceil_mode"):
        raise GraphError("ceil_mode is not covered; export with ceil_mode=False")
    strides = integers(inputs, "strides", (1, 1))
    kind = text(inputs, "pad_type", "valid")
    pad: tuple[int, ...] = (0, 0, 0, 0)
    if kind == "custom":
        pad = integers(inputs, "pad", (0, 0, 0, 0))
    elif kind in ("same", "same_lower"):
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(image, size, strides, strict=True)]
        small, large = [total // 2 for total in totals], [total - total // 2 for total in totals]
        before, after = (small, large) if kind == "same" else (large, small)
        pad = (before[0], after[0], before[1], after[1])
    elif kind != "valid":
        raise GraphError(f"pad_type must be valid, same, same_lower or custom, found {kind!r}")
    if len(strides) != 2 or len(pad) != 4:
        raise GraphError(f"two strides and four paddings are required, found {strides} and {pad}")
    return Window(image, size, (strides[0], strides[1]), (pad[0], pad[1], pad[2], pad[3]))
