"""Pooling over the two axes of an image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, array, flag, integers
from edgebuild.mil.ops.window import Window, batch_first, batch_last, read_window
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]


def avg_pool(inputs: Inputs) -> Array:
    """Mean over windows of ``x`` (n, c, h, w); padding counts unless excluded."""
    x = batch_last(array(inputs, "x"))
    window = _window(inputs, (x.shape[1], x.shape[2]))
    total = np.zeros((x.shape[0], window.out[0], window.out[1], x.shape[3]), np.float32)
    for _, _, seen in window.taps(window.pad(x)):
        total += seen
    if not flag(inputs, "exclude_padding_from_average"):
        return batch_first(total / np.float32(window.size[0] * window.size[1]))
    inside = window.pad(np.ones((1, x.shape[1], x.shape[2], 1), np.float32))
    count = np.sum([seen for _, _, seen in window.taps(inside)], axis=0, dtype=np.float32)
    return batch_first(total / count)


def max_pool(inputs: Inputs) -> Array:
    """Largest of each window of ``x`` (n, c, h, w); padding never wins."""
    x = batch_last(array(inputs, "x"))
    window = _window(inputs, (x.shape[1], x.shape[2]))
    best = np.full((x.shape[0], window.out[0], window.out[1], x.shape[3]), -np.inf, np.float32)
    for _, _, seen in window.taps(window.pad(x, -np.inf)):
        np.maximum(best, seen, out=best)
    return batch_first(best)


def _window(inputs: Inputs, image: tuple[int, int]) -> Window:
    size = integers(inputs, "kernel_sizes")
    if len(size) != 2:
        raise GraphError(f"only windows over height and width are covered, found {len(size)} axes")
    return read_window(inputs, image, (size[0], size[1]))


def _batch(call: Call) -> str | None:
    return None if set(call.varying) == {"x"} else "its parameters depend on the input"


OPERATORS: Mapping[str, Operator] = {
    "avg_pool": Operator(avg_pool, _batch),
    "max_pool": Operator(max_pool, _batch),
}
