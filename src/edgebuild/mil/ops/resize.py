"""Images of another size: nearest neighbour and bilinear, in all of MIL's sampling modes.

Both axes are independent: each output row mixes at most two input rows, at the
places that Apple's documentation of ``resize_bilinear`` gives for each mode.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, alone, array, flag, integers, text
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]


def upsample_nearest_neighbor(inputs: Inputs) -> Array:
    """The last two axes enlarged by factors, pixel by pixel."""
    x = array(inputs, "x")
    sizes = _scaled(inputs, x)
    for axis, size in zip((-2, -1), sizes, strict=True):
        factor = size / x.shape[axis]
        places = np.floor(np.arange(size) / factor).astype(np.int64)
        x = np.take(x, np.minimum(places, x.shape[axis] - 1), axis)
    return x


def resize_nearest_neighbor(inputs: Inputs) -> Array:
    """The last two axes with a target size, pixel by pixel."""
    x = array(inputs, "x")
    for axis, key in ((-2, "target_size_height"), (-1, "target_size_width")):
        size = integers(inputs, key)[0]
        places = np.floor(np.arange(size) * (x.shape[axis] / size)).astype(np.int64)
        x = np.take(x, places, axis)
    return x


def upsample_bilinear(inputs: Inputs) -> Array:
    """The last two axes enlarged by factors."""
    x = array(inputs, "x")
    mode = "STRICT_ALIGN_CORNERS" if flag(inputs, "align_corners", default=True) else "UNALIGN_CORNERS"
    half = flag(inputs, "half_pixel_centers", default=not flag(inputs, "align_corners", default=True))
    if mode == "UNALIGN_CORNERS" and not half:
        mode = "DEFAULT"
    elif mode == "STRICT_ALIGN_CORNERS" and half:
        raise GraphError("align_corners with half_pixel_centers is not covered")
    return _bilinear(x, _scaled(inputs, x), mode)


def resize_bilinear(inputs: Inputs) -> Array:
    """The last two axes with a target size."""
    height, width = integers(inputs, "target_size_height", (1,)), integers(inputs, "target_size_width", (1,))
    return _bilinear(array(inputs, "x"), (height[0], width[0]), text(inputs, "sampling_mode", "DEFAULT"))


def resize(inputs: Inputs) -> Array:
    """The last ``resized_dims`` axes with the last sizes of ``shape``; 0 keeps a size."""
    x, count = array(inputs, "x"), integers(inputs, "resized_dims")[0]
    wanted = integers(inputs, "shape")[-count:]
    if count > 2 or len(wanted) != count:
        raise GraphError(f"one or two axes can be resized, found {count} with sizes {wanted}")
    sizes = [size or old for size, old in zip(wanted, x.shape[-count:], strict=True)]
    height, width = (x.shape[-2], *sizes)[-2:]
    mode, kind = text(inputs, "sampling_mode", "DEFAULT"), text(inputs, "interpolation_mode", "LINEAR")
    if kind == "LINEAR":
        return _bilinear(x, (height, width), mode)
    if kind != "NEAREST_NEIGHBOR":
        raise GraphError(f"interpolation_mode must be LINEAR or NEAREST_NEIGHBOR, found {kind!r}")
    for axis, size in ((-2, height), (-1, width)):
        places = _places(x.shape[axis], size, mode)
        x = np.take(x, np.floor(places + 0.5).astype(np.int64), axis)
    return x


def _bilinear(x: Array, sizes: tuple[int, int], mode: str) -> Array:
    kind = x.dtype
    mixed = x.astype(np.float32, copy=False)
    for axis, size in zip((-2, -1), sizes, strict=True):
        places = _places(x.shape[axis], size, mode)
        below = np.floor(places).astype(np.int64)
        above = np.minimum(below + 1, x.shape[axis] - 1)
        share = (places - below).astype(np.float32)
        if axis == -2:
            share = share[:, None]
        mixed = np.take(mixed, below, axis) * (1 - share) + np.take(mixed, above, axis) * share
    return mixed.astype(kind, copy=False)


def _places(size: int, target: int, mode: str) -> npt.NDArray[np.float64]:
    """Where in an axis of ``size`` pixels each of ``target`` samples lies."""
    steps = np.arange(target)
    if mode == "STRICT_ALIGN_CORNERS" or (mode == "ALIGN_CORNERS" and target > 1):
        places = steps * ((size - 1) / max(target - 1, 1))
    elif mode == "ALIGN_CORNERS":
        places = np.array([(size - 1) / 2])
    elif mode == "DEFAULT":
        places = steps * (size / target)
    elif mode == "OFFSET_CORNERS":
        delta = max(1, size - 1) / target
        places = 0.5 * delta + steps * delta
    elif mode == "UNALIGN_CORNERS":
        places = (steps + 0.5) * (size / target) - 0.5
    else:
        raise GraphError(f"parameter sampling_mode is {mode!r}, which is not covered")
    return np.clip(places, 0, size - 1)


def _scaled(inputs: Inputs, x: Array) -> tuple[int, int]:
    """Sizes of the last two axes times the scale factors, rounded down."""
    factors = [
        float(array(inputs, key)) if key in inputs else 1.0
        for key in ("scale_factor_height", "scale_factor_width")
    ]
    height, width = (int(np.floor(np.float32(f) * n)) for f, n in zip(factors, x.shape[-2:], strict=True))
    if min(height, width) < 1:
        raise GraphError(f"nothing is left of {x.shape[-2:]} pixels scaled by {factors}")
    return height, width


def _batch(call: Call) -> str | None:
    if len(call.output.shape) < 3:
        return "axis 0 is resized"
    return alone(call)


OPERATORS: Mapping[str, Operator] = {
    "upsample_nearest_neighbor": Operator(upsample_nearest_neighbor, _batch),
    "resize_nearest_neighbor": Operator(resize_nearest_neighbor, _batch),
    "upsample_bilinear": Operator(upsample_bilinear, _batch),
    "resize_bilinear": Operator(resize_bilinear, _batch),
    "resize": Operator(resize, _batch),
}
