"""Operations that give elements other axes: reshape, transpose, concat, split and their kin."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import (
    Call,
    Inputs,
    Operator,
    alone,
    apart,
    array,
    flag,
    integers,
    never,
    values,
)
from edgebuild.mil.program import Array, TensorType

__all__ = ["OPERATORS"]


def reshape(inputs: Inputs) -> Array:
    """``x`` in C order as ``shape``; one entry may be -1, and 0 keeps an axis of ``x``.

    Axes are counted from the last one, and a 0 beyond the first axis of ``x`` is a new axis of size 1.
    """
    x, shape = array(inputs, "x"), list(integers(inputs, "shape"))
    old = (*[1] * (len(shape) - x.ndim), *x.shape)[-len(shape) :]
    shape = [kept if size == 0 else size for kept, size in zip(old, shape, strict=True)]
    try:
        return np.ascontiguousarray(x).reshape(shape)
    except ValueError:
        raise GraphError(f"{x.shape} has not the elements of {tuple(shape)}") from None


def reshape_like(inputs: Inputs) -> Array:
    """``x`` in the shape that pieces of the shapes of ``ref_tensors`` make, from ``begins`` to ``ends``."""
    shape: list[int] = []
    references = values(inputs, "ref_tensors")
    starts, stops, masks = (values(inputs, key) for key in ("begins", "ends", "end_masks"))
    for reference, start, stop, mask in zip(references, starts, stops, masks, strict=True):
        shape += reference.shape[int(np.int32(start)) : None if bool(mask) else int(np.int32(stop))]
    return reshape({"x": array(inputs, "x"), "shape": np.array(shape, np.int32)})


def expand_dims(inputs: Inputs) -> Array:
    """New axes of size 1, at ``axes`` of the result."""
    try:
        return np.expand_dims(array(inputs, "x"), integers(inputs, "axes"))
    except ValueError as error:
        raise GraphError(f"axes {integers(inputs, 'axes')}: {error}") from None


def squeeze(inputs: Inputs) -> Array:
    """``axes`` of size 1 (all of them where absent) left out."""
    x = array(inputs, "x")
    try:
        return np.squeeze(x, integers(inputs, "axes") if "axes" in inputs else None)
    except ValueError as error:
        raise GraphError(f"shape {x.shape}: {error}") from None


def flatten2d(inputs: Inputs) -> Array:
    """Two axes: those before ``axis`` and the others."""
    x, axis = array(inputs, "x"), integers(inputs, "axis", (1,))[0]
    first = int(np.prod(x.shape[:axis], dtype=np.int64))
    return np.ascontiguousarray(x).reshape(first, -1)


def transpose(inputs: Inputs) -> Array:
    """Axis ``i`` of the result is axis ``perm[i]`` of ``x``."""
    x, order = array(inputs, "x"), integers(inputs, "perm")
    if sorted(axis % max(x.ndim, 1) for axis in order) != list(range(x.ndim)):
        raise GraphError(f"perm {order} is no permutation of {x.ndim} axes")
    return np.transpose(x, order)


def concat(inputs: Inputs) -> Array:
    """``values`` joined along ``axis``, one after the other or (``interleave``) element by element."""
    parts, axis = values(inputs, "values"), integers(inputs, "axis")[0]
    try:
        if not flag(inputs, "interleave"):
            return np.concatenate(parts, axis)
        place = axis % parts[0].ndim
        shape = list(parts[0].shape)
        shape[place] *= len(parts)
        return np.stack(parts, place + 1).reshape(shape)
    except ValueError:
        raise GraphError(
            f"shapes {[part.shape for part in parts]} cannot be joined along axis {axis}"
        ) from None


def stack(inputs: Inputs) -> Array:
    """``values`` along a new axis ``axis``."""
    parts, axis = values(inputs, "values"), integers(inputs, "axis")[0]
    try:
        return np.stack(parts, axis)
    except ValueError:
        raise GraphError(
            f"shapes {[part.shape for part in parts]} cannot be stacked on axis {axis}"
        ) from None


def split(inputs: Inputs) -> tuple[Array, ...]:
    """Pieces of ``x`` along ``axis``: of ``split_sizes``, or ``num_splits`` equal ones."""
    x, axis = array(inputs, "x"), integers(inputs, "axis")[0]
    size = x.shape[axis]
    if "split_sizes" in inputs:
        sizes = integers(inputs, "split_sizes")
    else:
        count = integers(inputs, "num_splits")[0]
        sizes = (size // count,) * count
    if sum(sizes) != size:
        raise GraphError(f"pieces of {sizes} do not make up the {size} elements of axis {axis}")
    return tuple(np.split(x, np.cumsum(sizes[:-1]), axis))


def shape_of(inputs: Inputs) -> Array:
    """The sizes of the axes of ``x``, int32."""
    return np.array(array(inputs, "x").shape, np.int32)


def _rank(call: Call) -> int:
    return len(call.varying["x"][0].shape)


def _open_batch(constants: Inputs, output: TensorType) -> Inputs:
    """The leading 1 of the declared shape is inferred from the images instead; sound in C order."""
    return {**constants, "shape": np.array([-1, *output.shape[1:]], np.int32)}


def _batch_expand(call: Call) -> str | None:
    return apart(integers(call.constants, "axes"), len(call.output.shape))


def _batch_squeeze(call: Call) -> str | None:
    if "axes" not in call.constants:
        return "it leaves out every axis of size 1"
    return apart(integers(call.constants, "axes"), _rank(call))


def _batch_flatten(call: Call) -> str | None:
    return None if integers(call.constants, "axis", (1,))[0] == 1 else "axis 0 is joined to others"


def _batch_transpose(call: Call) -> str | None:
    first = integers(call.constants, "perm")[0] % len(call.output.shape)
    return None if first == 0 else "axis 0 is moved"


def _batch_join(call: Call) -> str | None:
    axis = integers(call.constants, "axis")[0] % len(call.output.shape)
    return "axis 0 is joined" if axis == 0 else None


def _batch_split(call: Call) -> str | None:
    return alone(call) or apart(integers(call.constants, "axis"), _rank(call))


OPERATORS: Mapping[str, Operator] = {
    "reshape": Operator(reshape, alone, _open_batch),
    "reshape_like": Operator(reshape_like, never),
    "expand_dims": Operator(expand_dims, _batch_expand),
    "squeeze": Operator(squeeze, _batch_squeeze),
    "flatten2d": Operator(flatten2d, _batch_flatten),
    "transpose": Operator(transpose, _batch_transpose),
    "concat": Operator(concat, _batch_join),
    "stack": Operator(stack, _batch_join),
    "split": Operator(split, _batch_split),
    "shape": Operator(shape_of, never),
}
