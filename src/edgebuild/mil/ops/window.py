"""Sliding windows over images: padding, strides, and the memory order that makes them fast.

MIL's images are (batch, channels, height, width), or without height. All windowed operations here
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

__all__ = ["Pair", "Window", "batch_first", "batch_last", "pair", "read_window"]

Real = npt.NDArray[np.float32]

#: Height and width.
Pair = tuple[int, int]


class Window:
    """Geometry of a window moved over a padded image; all sizes are (height, width).

    ``size`` places, ``dilations`` apart, are moved by ``strides`` over ``image``
    with ``padding`` (top, bottom, left, right). With ``ceil`` a last window may
    reach over the end: ``extra`` is what then follows the padding.
    """

    def __init__(
        self,
        image: Pair,
        size: Pair,
        strides: Pair,
        padding: tuple[int, int, int, int],
        dilations: Pair = (1, 1),
        ceil: bool = False,
    ) -> None:
        self.size, self.strides, self.padding, self.dilations = size, strides, padding, dilations
        out, extra = [], []
        for axis, (before, after) in enumerate((padding[:2], padding[2:])):
            if min(before, after) < 0 or min(strides[axis], dilations[axis], size[axis]) < 1:
                raise GraphError(
                    f"strides {strides}, dilations {dilations} and sizes {size} must be positive, padding {padding} "
                    "must not be negative"
                )
            length, span = image[axis] + before + after, (size[axis] - 1) * dilations[axis] + 1
            count = (length - span + (strides[axis] - 1 if ceil else 0)) // strides[axis] + 1
            if ceil and before + after and (count - 1) * strides[axis] >= image[axis] + before:
                count -= 1  # a window must not begin in the padding
            if length + (strides[axis] - 1 if ceil else 0) < span:
                raise GraphError(f"a window of {span} pixels does not fit into an image of {length}")
            out.append(count)
            extra.append(max((count - 1) * strides[axis] + span - length, 0))
        self.out, self.extra = (out[0], out[1]), (extra[0], extra[1])

    def pad(self, image: Real, fill: float = 0.0, beyond: float | None = None) -> Real:
        """``(channels, height, width, batch)`` contiguous, with its border filled; ``beyond`` is for ``extra``."""
        if not any(self.padding) and not any(self.extra):
            return np.ascontiguousarray(image)
        top, bottom, left, right = self.padding
        channels, height, width, batch = image.shape
        rows, columns = height + top + bottom, width + left + right
        shape = (channels, rows + self.extra[0], columns + self.extra[1], batch)
        padded = np.full(shape, fill if beyond is None else beyond, np.float32)
        if beyond is not None:
            padded[:, :rows, :columns] = fill
        padded[:, top : top + height, left : left + width] = image
        return padded

    def taps(self, padded: Real, first: int = 0, last: int | None = None) -> Iterator[tuple[int, int, Real]]:
        """For each place in the window: row, column, what it sees for output rows ``first`` to ``last``."""
        rows = (self.out[0] if last is None else last) - first
        down, across = self.strides
        for row in range(self.size[0]):
            top = row * self.dilations[0] + first * down
            for column in range(self.size[1]):
                left = column * self.dilations[1]
                yield (
                    row,
                    column,
                    padded[
                        :,
                        top : top + (rows - 1) * down + 1 : down,
                        left : left + (self.out[1] - 1) * across + 1 : across,
                    ],
                )


def batch_last(x: Array) -> Real:
    """(batch, channels, height, width) seen as (channels, height, width, batch); without a height, that is 1."""
    if x.ndim not in (3, 4) or x.dtype != np.float32:
        raise GraphError(
            f"parameter x must be a floating point image of rank 3 or 4, found {x.dtype} of shape {x.shape}"
        )
    image = x.astype(np.float32, copy=False)
    return (image if x.ndim == 4 else image[:, :, None]).transpose(1, 2, 3, 0)


def batch_first(y: Real, rank: int = 4) -> Real:
    """The inverse of :func:`batch_last`."""
    image = y.transpose(3, 0, 1, 2)
    return image if rank == 4 else image[:, :, 0]


def pair(values: tuple[int, ...], rank: int, absent: int) -> Pair:
    """(height, width) of a parameter with one number for each spatial axis; ``absent`` is for a missing height.

    Raises:
        GraphError: another number of axes than x of ``rank`` axes has.
    """
    if len(values) != rank - 2:
        raise GraphError(f"x has {rank - 2} spatial axes, a parameter has {len(values)} numbers: {values}")
    return (values[0], values[1]) if len(values) == 2 else (absent, values[0])


def read_window(inputs: Inputs, image: Pair, size: Pair, rank: int = 4) -> Window:
    """The window that ``strides``, ``dilations``, ``pad_type``, ``pad`` and ``ceil_mode`` describe.

    "same" puts an odd pixel at the end, "same_lower" at the beginning.
    """
    axes = rank - 2
    strides = pair(integers(inputs, "strides", (1,) * axes), rank, 1)
    dilations = pair(integers(inputs, "dilations", (1,) * axes), rank, 1)
    kind, padding = text(inputs, "pad_type", "valid"), (0, 0, 0, 0)
    if kind == "custom":
        flat = integers(inputs, "pad", (0,) * (2 * axes))
        before, after = pair(flat[::2], rank, 0), pair(flat[1::2], rank, 0)
        padding = (before[0], after[0], before[1], after[1])
    elif kind in ("same", "same_lower"):
        spans = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(image, spans, strides, strict=True)]
        small, large = [total // 2 for total in totals], [total - total // 2 for total in totals]
        first, last = (small, large) if kind == "same" else (large, small)
        padding = (first[0], last[0], first[1], last[1])
    elif kind != "valid":
        raise GraphError(f"pad_type must be valid, same, same_lower or custom, found {kind!r}")
    return Window(image, size, strides, padding, dilations, flag(inputs, "ceil_mode"))
