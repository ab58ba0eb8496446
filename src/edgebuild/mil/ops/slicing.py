"""Operations that pick elements: slices, gathers, reversals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, alone, apart, array, integers, never
from edgebuild.mil.program import Array, TensorType

__all__ = ["OPERATORS"]


def slice_by_index(inputs: Inputs) -> Array:
    """``x[begin:end:stride]`` of each axis, as numpy reads it.

    Where ``begin_mask`` or ``end_mask`` is set, that end is the tensor's own;
    where ``squeeze_mask`` is, the element at ``begin`` is picked and the axis left out.
    """
    return array(inputs, "x")[_slices(inputs)]


def slice_update(inputs: Inputs) -> Array:
    """A copy of ``x`` with the slice that :func:`slice_by_index` returns replaced by ``update``."""
    x = array(inputs, "x").copy()
    places = _slices(inputs)
    if x[places].shape != array(inputs, "update").shape:
        raise GraphError(f"a slice of {x[places].shape} takes no update of {array(inputs, 'update').shape}")
    x[places] = array(inputs, "update")
    return x


def slice_by_size(inputs: Inputs) -> Array:
    """``size`` elements of each axis from ``begin`` on; -1 takes all that follow."""
    x, begin, size = array(inputs, "x"), integers(inputs, "begin"), integers(inputs, "size")
    if not len(begin) == len(size) == x.ndim:
        raise GraphError(f"x of shape {x.shape} needs as many begins and sizes, found {begin} and {size}")
    places = []
    for start, count, length in zip(begin, size, x.shape, strict=True):
        start = start + length if start < 0 else start
        stop = length if count == -1 else start + count
        if not 0 <= start <= stop <= length:
            raise GraphError(f"elements {start} to {stop} of an axis of {length}")
        places.append(slice(start, stop))
    return x[tuple(places)]


def gather(inputs: Inputs) -> Array:
    """The entries of ``axis`` at ``indices``; ``batch_dims`` leading axes of both belong together."""
    x, indices = array(inputs, "x"), _indices(inputs)
    axis, shared = integers(inputs, "axis", (0,))[0] % x.ndim, integers(inputs, "batch_dims", (0,))[0]
    _in_bounds(indices, x.shape[axis])
    if shared == 0:
        return np.take(x, indices, axis)
    if x.shape[:shared] != indices.shape[:shared] or axis < shared:
        raise GraphError(f"{shared} leading axes of {x.shape} and {indices.shape} do not belong together")
    count = int(np.prod(x.shape[:shared]))
    tables = x.reshape(count, *x.shape[shared:])
    places = indices.reshape(count, *indices.shape[shared:])
    picked = [np.take(t, p, axis - shared) for t, p in zip(tables, places, strict=True)]
    return np.stack(picked).reshape(*x.shape[:shared], *picked[0].shape)


def gather_along_axis(inputs: Inputs) -> Array:
    """For each place of ``indices``, the entry of ``axis`` that it names at the same place of ``x``."""
    x, indices, axis = array(inputs, "x"), _indices(inputs), integers(inputs, "axis", (0,))[0]
    _in_bounds(indices, x.shape[axis])
    return np.take_along_axis(x, indices, axis)


def gather_nd(inputs: Inputs) -> Array:
    """The last axis of ``indices`` holds coordinates in ``x`` after its ``batch_dims`` leading axes."""
    x, indices, shared = array(inputs, "x"), _indices(inputs), integers(inputs, "batch_dims", (0,))[0]
    for place in range(indices.shape[-1]):
        _in_bounds(indices[..., place], x.shape[shared + place])
    if shared == 0:
        found: Array = x[tuple(np.moveaxis(indices, -1, 0))]
        return found
    count = int(np.prod(x.shape[:shared]))
    tables = x.reshape(count, *x.shape[shared:])
    places = indices.reshape(count, *indices.shape[shared:])
    picked = [t[tuple(np.moveaxis(p, -1, 0))] for t, p in zip(tables, places, strict=True)]
    return np.stack(picked).reshape(*x.shape[:shared], *picked[0].shape)


def reverse(inputs: Inputs) -> Array:
    """``x`` back to front along ``axes`` (all where absent)."""
    x = array(inputs, "x")
    return np.flip(x, integers(inputs, "axes", tuple(range(x.ndim))))


def sliding_windows(inputs: Inputs) -> Array:
    """All windows of ``size`` elements of ``axis``, ``stride`` apart, on a new axis after it."""
    x, size = array(inputs, "x"), integers(inputs, "size")[0]
    axis, stride = integers(inputs, "axis")[0] % x.ndim, integers(inputs, "stride", (1,))[0]
    if not 1 <= size <= x.shape[axis]:
        raise GraphError(f"a window of {size} does not fit into an axis of {x.shape[axis]}")
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis)
    return np.moveaxis(windows, -1, axis + 1)[(slice(None),) * axis + (slice(None, None, stride),)]


def _slices(inputs: Inputs) -> tuple[slice | int, ...]:
    x, begin, end = array(inputs, "x"), integers(inputs, "begin"), integers(inputs, "end")
    stride = integers(inputs, "stride", (1,) * x.ndim)
    masks = [_mask(inputs, key, x.ndim) for key in ("begin_mask", "end_mask", "squeeze_mask")]
    if not len(begin) == len(end) == len(stride) == x.ndim or 0 in stride:
        raise GraphError(f"x of shape {x.shape} needs as many begins, ends and strides, none of them zero")
    places: list[slice | int] = []
    for axis, (start, stop, step) in enumerate(zip(begin, end, stride, strict=True)):
        open_start, open_stop, single = (mask[axis] for mask in masks)
        if not single:
            places.append(slice(None if open_start else start, None if open_stop else stop, step))
        elif -x.shape[axis] <= (0 if open_start else start) < x.shape[axis]:
            places.append(0 if open_start else start)
        else:
            raise GraphError(f"element {start} of an axis of {x.shape[axis]}")
    return tuple(places)


def _mask(inputs: Inputs, key: str, rank: int) -> tuple[bool, ...]:
    if key not in inputs:
        return (False,) * rank
    return tuple(bool(item) for item in array(inputs, key).reshape(-1))


def _indices(inputs: Inputs) -> npt.NDArray[np.int64]:
    indices = array(inputs, "indices")
    if indices.dtype.kind not in "iu":
        raise GraphError(f"parameter indices must hold integers, found {indices.dtype}")
    return indices.astype(np.int64)


def _in_bounds(indices: npt.NDArray[np.int64], length: int) -> None:
    if indices.size and not -length <= int(indices.min()) <= int(indices.max()) < length:
        raise GraphError(f"indices from {indices.min()} to {indices.max()} into {length} elements")


def _batch_slice(call: Call) -> str | None:
    """All of axis 0 must be kept, as it is."""
    constants, rank = call.constants, len(call.varying["x"][0].shape)
    reason = alone(call)
    if reason is not None:
        return reason
    if _mask(constants, "squeeze_mask", rank)[0] or integers(constants, "stride", (1,))[0] != 1:
        return "axis 0 is sliced"
    start = 0 if _mask(constants, "begin_mask", rank)[0] else integers(constants, "begin")[0]
    stop = 1 if _mask(constants, "end_mask", rank)[0] else integers(constants, "end")[0]
    return None if start in (0, -1) and stop >= 1 else "axis 0 is sliced"


def _whole_batch(constants: Inputs, output: TensorType) -> Inputs:
    """The slice of axis 0 that takes one image takes all."""
    rank = len(integers(constants, "begin"))
    masks = {}
    for key in ("begin_mask", "end_mask"):
        masks[key] = np.array([True, *_mask(constants, key, rank)[1:]])
    return {**constants, **masks}


def _batch_size(call: Call) -> str | None:
    if integers(call.constants, "begin")[0] in (0, -1):
        return alone(call)
    return "axis 0 is sliced"


def _all_images(constants: Inputs, output: TensorType) -> Inputs:
    begin, size = integers(constants, "begin"), integers(constants, "size")
    return {**constants, "begin": np.array([0, *begin[1:]]), "size": np.array([-1, *size[1:]])}


def _batch_gather(call: Call) -> str | None:
    """One table per image, the same picks of each."""
    rank, shared = len(call.varying["x"][0].shape), integers(call.constants, "batch_dims", (0,))[0]
    if shared:
        return "leading axes belong together"
    return alone(call) or apart(integers(call.constants, "axis", (0,)), rank)


def _batch_reverse(call: Call) -> str | None:
    rank = len(call.output.shape)
    return apart(integers(call.constants, "axes", tuple(range(rank))), rank)


def _batch_windows(call: Call) -> str | None:
    return apart(integers(call.constants, "axis"), len(call.varying["x"][0].shape))


OPERATORS: Mapping[str, Operator] = {
    "slice_by_index": Operator(slice_by_index, _batch_slice, _whole_batch),
    "slice_by_size": Operator(slice_by_size, _batch_size, _all_images),
    "slice_update": Operator(slice_update, never),
    "gather": Operator(gather, _batch_gather),
    "gather_along_axis": Operator(gather_along_axis, never),
    "gather_nd": Operator(gather_nd, never),
    "reverse": Operator(reverse, _batch_reverse),
    "sliding_windows": Operator(sliding_windows, _batch_windows),
}
