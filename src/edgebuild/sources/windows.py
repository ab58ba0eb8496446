"""Windows over rows that follow one another in time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["codes", "count", "cut", "runs"]

Floats = npt.NDArray[np.float64]


def count(rows: int, window: int, hop: int) -> int:
    """How many whole windows of ``window`` rows begin every ``hop`` rows."""
    return 0 if rows < window else 1 + (rows - window) // hop


def cut(values: npt.NDArray[Any], window: int, hop: int) -> npt.NDArray[Any]:
    """The windows of ``values`` ``(rows, channels)``: ``(count, window, channels)``, a view."""
    if len(values) < window:
        return np.empty((0, window, values.shape[1]), values.dtype)
    views = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)[::hop]
    return views.transpose(0, 2, 1)


def runs(*breaks: npt.NDArray[np.bool_], rows: int) -> list[tuple[int, int]]:
    """``(start, stop)`` of the stretches between breaks; each of ``breaks``, bool ``(rows - 1,)``, is True where row
    ``i + 1`` does not belong to row ``i``."""
    if rows == 0:
        return []
    together = np.logical_or.reduce([np.zeros(max(0, rows - 1), bool), *breaks])
    edges = [0, *(np.flatnonzero(together) + 1).tolist(), rows]
    return list(pairwise(edges))


def codes(values: Floats, low: Floats, high: Floats) -> npt.NDArray[np.uint8]:
    """``round(255 * clamp((value - low) / (high - low), 0, 1))`` of each channel, the last axis: uint8."""
    return np.rint(255.0 * np.clip((values - low) / (high - low), 0.0, 1.0)).astype(np.uint8)
