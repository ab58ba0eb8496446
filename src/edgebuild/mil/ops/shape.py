"""Operations that move or summarize elements: reshape, transpose, concat, reduce_mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, array, flag, integers, real, values
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]


def reshape(inputs: Inputs) -> Array:
    """``x`` in C order as ``shape``; one entry may be -1, and 0 keeps the axis of ``x``."""
    x, shape = array(inputs, "x"), list(integers(inputs, "shape"))
    if len(shape) == x.ndim:
        shape = [old if new == 0 else new for old, new in zip(x.shape, shape, strict=True)]
    try:
        return np.ascontiguousarray(x).reshape(shape)
    except ValueError:
        raise GraphError(f"{x.shape} has not the elements of {tuple(shape)}") from None


def transpose(inputs: Inputs) -> Array:
    """Axis ``i`` of the result is axis ``perm[i]`` of ``x``."""
    x, order = array(inputs, "x"), integers(inputs, "perm")
    if sorted(axis % max(x.ndim, 1) for axis in order) != list(range(x.ndim)):
        raise GraphError(f"perm {order} is no permutation of {x.ndim} axes")
    return np.transpose(x, order)


def concat(inputs: Inputs) -> Array:
    """``values`` joined along ``axis``."""
    if flag(inputs, "interleave"):
        raise GraphError("interleave is not covered; export with interleave=False")
    parts, axis = values(inputs, "values"), integers(inputs, "axis")[0]
    try:
        return np.concatenate(parts, axis)
    except ValueError:
        raise GraphError(
            f"shapes {[part.shape for part in parts]} cannot be joined along axis {axis}"
        ) from None


def reduce_mean(inputs: Inputs) -> Array:
    """Mean over ``axes`` (all of them where absent)."""
    x = real(inputs, "x")
    axes = integers(inputs, "axes") if "axes" in inputs else tuple(range(x.ndim))
    mean: Array = np.mean(x, axis=axes, keepdims=flag(inputs, "keep_dims"), dtype=np.float32)
    return mean


def _batch_reshape(call: Call) -> str | None:
    """The planner replaces the leading 1 of the declared result; that is sound in C order."""
    return None if set(call.varying) == {"x"} else "its shape depends on the input"


def _batch_transpose(call: Call) -> str | None:
    first = integers(call.constants, "perm")[0] % len(call.output.shape)
    return None if first == 0 else "axis 0 is moved"


def _batch_concat(call: Call) -> str | None:
    axis = integers(call.constants, "axis")[0] % len(call.output.shape)
    return "axis 0 is joined" if axis == 0 else None


def _batch_reduce(call: Call) -> str | None:
    rank = len(call.varying["x"][0].shape)
    axes = integers(call.constants, "axes") if "axes" in call.constants else tuple(range(rank))
    return "axis 0 is averaged" if any(axis % rank == 0 for axis in axes) else None


OPERATORS: Mapping[str, Operator] = {
    "reshape": Operator(reshape, _batch_reshape),
    "transpose": Operator(transpose, _batch_transpose),
    "concat": Operator(concat, _batch_concat),
    "reduce_mean": Operator(reduce_mean, _batch_reduce),
}
