"""Weights as they are stored: affine codes, lookup tables, bit masks, and what combines them.

These operations have constant operands only, so the planner expands them once.
iOS 16 packs bits into bytes and states the shape beside them; iOS 18 has types
of less than a byte, blocks and vectors. Where both use a name, the parameters
tell which is meant. Formulas: Apple's documentation of MIL's ``constexpr`` operations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, array, integers, real, text
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]


def affine_dequantize(inputs: Inputs) -> Array:
    """``scale * (quantized_data - zero_point)``, scalars or vectors along ``axis`` (iOS 16)."""
    codes = array(inputs, "quantized_data")
    if codes.dtype not in (np.int8, np.uint8):
        raise GraphError(f"parameter quantized_data must be int8 or uint8, found {codes.dtype}")
    shape = [1] * codes.ndim
    axis = integers(inputs, "axis", (0,))[0]

    def along(key: str) -> npt.NDArray[np.float32]:
        value = array(inputs, key).astype(np.float32)
        if value.ndim == 1 and value.size == codes.shape[axis]:
            shape[axis] = -1
            return value.reshape(shape)
        if value.ndim:
            raise GraphError(
                f"parameter {key} of shape {value.shape} does not fit axis {axis} of {codes.shape}"
            )
        return value

    result = codes.astype(np.float32)
    if "zero_point" in inputs:
        result -= along("zero_point")
    result *= along("scale")
    return result


def blockwise_shift_scale(inputs: Inputs) -> Array:
    """``scale * (data - offset)``, where one scale serves a block of elements (iOS 18)."""
    return _shifted(inputs, array(inputs, "data"))


def sparse_blockwise_shift_scale(inputs: Inputs) -> tuple[Array, ...]:
    """The same for the elements that ``data_mask`` marks: the mask, and the elements in C order."""
    mask = array(inputs, "data_mask")
    dense = _filled(mask, array(inputs, "nonzero_data"))
    return mask, _shifted(inputs, dense)[mask != 0]


def lut_to_dense(inputs: Inputs) -> Array:
    """``lut[indices]``; with iOS 16 the indices are packed and ``shape`` is stated."""
    lut, indices = array(inputs, "lut"), array(inputs, "indices")
    if "shape" not in inputs:
        return _looked_up(inputs, indices)
    shape = integers(inputs, "shape")
    bits, count = int(lut.size).bit_length() - 1, int(np.prod(shape))
    if lut.size != 1 << bits or not 1 <= bits <= 8 or indices.size != -(-count * bits // 8):
        raise GraphError(
            f"{indices.size} bytes of indices into {lut.size} numbers do not make up shape {shape}"
        )
    spread = np.unpackbits(indices.astype(np.uint8), bitorder="little")[: count * bits]
    places = spread.reshape(count, bits) @ (1 << np.arange(bits, dtype=np.int64))
    return lut[places].reshape(shape)


def lut_to_sparse(inputs: Inputs) -> tuple[Array, ...]:
    """Lookup of the elements that ``indices_mask`` marks: their mask, and the elements in C order (iOS 18)."""
    mask = array(inputs, "indices_mask")
    dense = _looked_up(inputs, _filled(mask, array(inputs, "indices_nonzero_data")))
    size = array(inputs, "lut").shape[-1]
    if size > 1:
        mask = np.repeat(mask, size, integers(inputs, "vector_axis")[0])
    return mask, dense[mask != 0]


def sparse_to_dense(inputs: Inputs) -> Array:
    """Zeros, and ``nonzero_data`` in C order where ``mask`` has ones; iOS 16 packs the mask, ``shape`` unpacks it."""
    mask = array(inputs, "mask")
    if "shape" in inputs:
        shape = integers(inputs, "shape")
        count = int(np.prod(shape))
        spread = np.unpackbits(mask.astype(np.uint8), bitorder="little")
        if mask.size != -(-count // 8) or spread[count:].any():
            raise GraphError(f"a mask of {mask.size} bytes does not fit shape {shape}")
        mask = spread[:count].reshape(shape)
    return _filled(mask, array(inputs, "nonzero_data"))


def cast(inputs: Inputs) -> Array:
    """float16 numbers as float32."""
    if text(inputs, "output_dtype") != "fp32":
        raise GraphError(f"parameter output_dtype must be fp32, found {text(inputs, 'output_dtype')!r}")
    return real(inputs, "source_val")


def _filled(mask: Array, elements: Array) -> Array:
    if elements.ndim != 1 or np.count_nonzero(mask) != elements.size:
        raise GraphError(
            f"a mask with {np.count_nonzero(mask)} ones needs as many elements, found shape {elements.shape}"
        )
    dense = np.zeros(mask.shape, elements.dtype)
    dense[mask != 0] = elements
    return dense


def _shifted(inputs: Inputs, data: Array) -> Array:
    result = data.astype(np.float32)
    if "offset" in inputs:
        result -= _blocks(array(inputs, "offset"), data.shape, "offset")
    result *= _blocks(array(inputs, "scale"), data.shape, "scale")
    return result


def _blocks(value: Array, shape: tuple[int, ...], key: str) -> npt.NDArray[np.float32]:
    """``value``, one number for a block of elements, spread to ``shape``."""
    return _spread(value, shape, key).astype(np.float32)


def _spread(value: Array, shape: tuple[int, ...], key: str) -> Array:
    """``value`` repeated along each of its first axes to the sizes of ``shape``; size 1 is left to broadcasting."""
    if value.ndim < len(shape) or any(size % part for size, part in zip(shape, value.shape, strict=False)):
        raise GraphError(f"{key} of shape {value.shape} does not divide {shape} into blocks")
    for axis, size in enumerate(shape):
        if value.shape[axis] not in (1, size):
            value = np.repeat(value, size // value.shape[axis], axis)
    return value


def _looked_up(inputs: Inputs, indices: Array) -> Array:
    """``lut`` (blocks of ``indices``' axes…, entries, vector): each index becomes its vector along ``vector_axis``."""
    lut = array(inputs, "lut")
    if lut.ndim != indices.ndim + 2 or (indices.size and int(indices.max()) >= lut.shape[-2]):
        raise GraphError(f"lut of shape {lut.shape} does not fit indices of shape {indices.shape}")
    tables = _spread(lut, indices.shape, "lut")
    tables = np.broadcast_to(tables, (*indices.shape, *lut.shape[-2:]))
    picked = np.take_along_axis(tables, indices.astype(np.int64)[..., None, None], -2)[..., 0, :]
    if lut.shape[-1] == 1:
        return picked[..., 0]
    axis = integers(inputs, "vector_axis")[0] % indices.ndim
    shape = list(indices.shape)
    shape[axis] *= lut.shape[-1]
    return np.moveaxis(picked, -1, axis + 1).reshape(shape)


def _never(call: Call) -> str | None:
    return "a stored weight cannot depend on the input"


OPERATORS: Mapping[str, Operator] = {
    "constexpr_affine_dequantize": Operator(affine_dequantize, _never),
    "constexpr_blockwise_shift_scale": Operator(blockwise_shift_scale, _never),
    "constexpr_sparse_blockwise_shift_scale": Operator(sparse_blockwise_shift_scale, _never),
    "constexpr_lut_to_dense": Operator(lut_to_dense, _never),
    "constexpr_lut_to_sparse": Operator(lut_to_sparse, _never),
    "constexpr_sparse_to_dense": Operator(sparse_to_dense, _never),
    "constexpr_cast": Operator(cast, _never),
}
