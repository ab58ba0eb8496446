"""Pooling over the one or two spatial axes of an image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.mil.ops.signature import Inputs, Operator, alone, array, flag, integers
from edgebuild.mil.ops.window import Window, batch_first, batch_last, pair, read_window
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

Real = npt.NDArray[np.float32]


def avg_pool(inputs: Inputs) -> Array:
    """Mean over windows of ``x`` (n, c, h, w) or (n, c, w); padding counts unless excluded."""
    x, window = _opened(inputs)
    total = np.zeros((x.shape[0], *window.out, x.shape[3]), np.float32)
    for _, _, seen in window.taps(window.pad(x)):
        total += seen
    return batch_first(total / _counted(inputs, x, window), array(inputs, "x").ndim)


def max_pool(inputs: Inputs) -> Array:
    """Largest of each window of ``x`` (n, c, h, w) or (n, c, w); padding never wins."""
    x, window = _opened(inputs)
    best = np.full((x.shape[0], *window.out, x.shape[3]), -np.inf, np.float32)
    for _, _, seen in window.taps(window.pad(x, -np.inf)):
        np.maximum(best, seen, out=best)
    return batch_first(best, array(inputs, "x").ndim)


def l2_pool(inputs: Inputs) -> Array:
    """Root of the sum of squares over windows of ``x`` (n, c, h, w) or (n, c, w)."""
    x, window = _opened(inputs)
    total = np.zeros((x.shape[0], *window.out, x.shape[3]), np.float32)
    for _, _, seen in window.taps(window.pad(x)):
        total += np.square(seen)
    return batch_first(np.sqrt(total), array(inputs, "x").ndim)


def _opened(inputs: Inputs) -> tuple[Real, Window]:
    """The image with its batch last, and the window."""
    rank = array(inputs, "x").ndim
    x = batch_last(array(inputs, "x"))
    size = pair(integers(inputs, "kernel_sizes"), rank, 1)
    return x, read_window(inputs, (x.shape[1], x.shape[2]), size, rank)


def _counted(inputs: Inputs, x: Real, window: Window) -> Real | np.float32:
    """How many pixels each window averages; what lies beyond the padding never counts."""
    exclude = flag(inputs, "exclude_padding_from_average")
    if not exclude and not any(window.extra):
        return np.float32(window.size[0] * window.size[1])
    inside = window.pad(np.ones((1, *x.shape[1:3], 1), np.float32), 0.0 if exclude else 1.0, 0.0)
    return np.sum([seen for _, _, seen in window.taps(inside)], axis=0, dtype=np.float32)


OPERATORS: Mapping[str, Operator] = {
    "avg_pool": Operator(avg_pool, alone),
    "l2_pool": Operator(l2_pool, alone),
    "max_pool": Operator(max_pool, alone),
}
