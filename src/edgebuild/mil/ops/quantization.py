"""Affine quantization: ``real = scale * (code - zero_point)``, per tensor or along one axis."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, array, integers, real, text
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

Real = npt.NDArray[np.float32]


def quantize(inputs: Inputs) -> Array:
    """``clip(round(input / scale) + zero_point)`` as int8 or uint8; halves go to the even code.

    MIL's text does not say where halves go; nearest-even is what Apple's own
    reference in coremltools does (``np.round``).
    """
    x, kind = real(inputs, "input"), text(inputs, "output_dtype")
    if kind not in ("int8", "uint8"):
        raise GraphError(f"parameter output_dtype must be int8 or uint8, found {kind!r}")
    limits = np.iinfo(kind)
    codes = x / _along(inputs, "scale", x.ndim)
    np.rint(codes, out=codes)
    if "zero_point" in inputs:
        codes += _along(inputs, "zero_point", x.ndim)
    np.clip(codes, np.float32(limits.min), np.float32(limits.max), out=codes)
    return codes.astype(kind)


def dequantize(inputs: Inputs) -> Array:
    """``scale * (input - zero_point)`` in floating point."""
    return _real(inputs, "input")


def _real(inputs: Inputs, key: str) -> Array:
    codes = array(inputs, key)
    if codes.dtype not in (np.int8, np.uint8):
        raise GraphError(f"parameter {key} must be int8 or uint8, found {codes.dtype}")
    result = codes.astype(np.float32)
    if "zero_point" in inputs:
        result -= _along(inputs, "zero_point", codes.ndim)
    result *= _along(inputs, "scale", codes.ndim)
    return result


def _along(inputs: Inputs, key: str, rank: int) -> Real:
    """A scalar, or a vector spread along ``axis`` of a tensor of ``rank`` axes; float32."""
    value = array(inputs, key).astype(np.float32)
    if value.ndim == 0:
        return value
    if value.ndim != 1:
        raise GraphError(f"parameter {key} must be a scalar or a vector, found shape {value.shape}")
    shape = [1] * rank
    shape[integers(inputs, "axis")[0]] = -1
    return value.reshape(shape)


def _batch(call: Call) -> str | None:
    if set(call.varying) != {"input"}:
        return "its grid depends on the input"
    if (
        array(call.constants, "scale").ndim
        and integers(call.constants, "axis")[0] % len(call.output.shape) == 0
    ):
        return "its scales run along axis 0"
    return None


OPERATORS: Mapping[str, Operator] = {
    "quantize": Operator(quantize, _batch),
    "dequantize": Operator(dequantize, _batch),
}
