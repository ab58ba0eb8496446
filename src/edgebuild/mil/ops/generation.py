"""Operations that make tensors: filled, counted, one-hot, masked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Inputs, Operator, aligned, alone, array, integers, never
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]


def fill(inputs: Inputs) -> Array:
    """A tensor of ``shape`` full of ``value`` (0.0 where absent)."""
    shape = integers(inputs, "shape")
    if min(shape, default=0) < 0:
        raise GraphError(f"sizes must not be negative, found {shape}")
    return np.full(shape, array(inputs, "value") if "value" in inputs else np.float32(0))


def fill_like(inputs: Inputs) -> Array:
    """A tensor of the shape of ``ref_tensor`` full of ``value`` (0.0 where absent)."""
    value = array(inputs, "value") if "value" in inputs else np.float32(0)
    return np.full(array(inputs, "ref_tensor").shape, value)


def range_1d(inputs: Inputs) -> Array:
    """``start``, ``start + step``, … as long as less than ``end``."""
    start, end, step = (array(inputs, key) for key in ("start", "end", "step"))
    if not float(step):
        raise GraphError("parameter step must not be zero")
    return np.arange(float(start), float(end), float(step)).astype(start.dtype)


def one_hot(inputs: Inputs) -> Array:
    """``on_value`` at the places that ``indices`` name on a new axis ``axis``, ``off_value`` elsewhere."""
    indices, size = array(inputs, "indices"), integers(inputs, "one_hot_vector_size")[0]
    axis = integers(inputs, "axis", (-1,))[0] % (indices.ndim + 1)
    on = array(inputs, "on_value") if "on_value" in inputs else np.int32(1)
    off = array(inputs, "off_value") if "off_value" in inputs else np.asarray(on).dtype.type(0)
    places = np.arange(size).reshape(-1, *[1] * (indices.ndim - axis))
    return np.where(np.expand_dims(indices, axis) == places, on, off)


def band_part(inputs: Inputs) -> Array:
    """The last two axes with zeros outside ``lower`` diagonals below the main one and ``upper`` above."""
    x = array(inputs, "x")
    lower, upper = integers(inputs, "lower", (-1,))[0], integers(inputs, "upper", (-1,))[0]
    rows, columns = np.arange(x.shape[-2])[:, None], np.arange(x.shape[-1])
    kept = ((lower < 0) | (rows - columns <= lower)) & ((upper < 0) | (columns - rows <= upper))
    return np.where(kept, x, x.dtype.type(0))


def non_zero(inputs: Inputs) -> Array:
    """One row of int32 indices for each element that is not zero."""
    return np.argwhere(array(inputs, "x")).astype(np.int32)


OPERATORS: Mapping[str, Operator] = {
    "fill": Operator(fill, never),
    "fill_like": Operator(fill_like, aligned),
    "range_1d": Operator(range_1d, never),
    "one_hot": Operator(one_hot, never),
    "band_part": Operator(
        band_part, lambda call: alone(call) if len(call.output.shape) > 2 else "axis 0 is cut"
    ),
    "non_zero": Operator(non_zero, never),
}
