"""Rounding float32 arrays to float16 values, fast.

numpy converts between the two one element at a time where the compiler finds
no instruction for it, which made up most of a float16 evaluation. Rounding the
bits in place of converting is several times faster and gives the same numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["round_to_half"]

Real = npt.NDArray[np.float32]

_PIECE = 1 << 14  #: elements at a time, so that the intermediate results stay in the cache
_DROPPED = 13  #: bits of a float32 fraction that float16 does not have
_SMALLEST = np.uint32(0x38800000)  #: 2**-14, the smallest normal float16
_LARGEST = np.uint32(0x477FE000)  #: 65504, the largest finite float16


def round_to_half(x: Real) -> Real:
    """The nearest float16 value of each element, halves to even; too large becomes infinite.

    Equal to ``x.astype(float16).astype(float32)``, and keeps the memory order.
    """
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    ordered = x.transpose(order)
    flat = ordered.reshape(-1)
    rounded = np.empty_like(flat)
    for start in range(0, flat.size, _PIECE):
        rounded[start : start + _PIECE] = _round(flat[start : start + _PIECE])
    return rounded.reshape(ordered.shape).transpose(np.argsort(order))


def _round(x: Real) -> Real:
    bits = x.view(np.uint32)
    odd = (bits >> np.uint32(_DROPPED)) & np.uint32(1)
    rounded: Real = ((bits + (odd + np.uint32(0xFFF))) & np.uint32(0xFFFFE000)).view(np.float32)
    magnitude = bits & np.uint32(0x7FFFFFFF)
    # Unsigned wrap-around makes one comparison of two; zero needs no rounding and is frequent after ReLU.
    special = ((magnitude - _SMALLEST) > (_LARGEST - _SMALLEST)) & (magnitude != 0)
    if special.any():
        with np.errstate(over="ignore"):
            rounded[special] = x[special].astype(np.float16)
    return rounded
