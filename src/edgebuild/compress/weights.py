"""Weights as small integers: symmetric, one scale per output channel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import Weight

__all__ = ["least_error", "per_channel", "top_code"]

Floats = npt.NDArray[np.float32]

#: How many clipping points :func:`least_error` tries between a fifth of the largest weight and all of it.
CANDIDATES = 81


def top_code(bits: int) -> int:
    """The largest code: 127 or 7. Codes are symmetric, so the lowest possible one stays unused."""
    return int(2 ** (bits - 1) - 1)


def per_channel(values: Floats, axis: int, floor: Floats | None = None) -> Weight:
    """Symmetric int8 in [-127, 127], one scale per channel along ``axis``: max|w| / 127.

    ``floor``, float32 ``(channels,)``, bounds the scales from below. A channel
    of zeros gets the floor or, without one, scale 1.
    """
    scale = _largest(values, axis) / np.float32(127)
    if floor is not None:
        scale = np.maximum(scale, floor)
    return _coded(values, axis, scale, 8)


def least_error(values: Floats, axis: int, bits: int) -> Weight:
    """Symmetric integers of ``bits``, each channel's scale chosen for the least squared error.

    With few bits the largest weight of a channel is a bad guide: clipping it
    makes the steps finer for all others. The trade is that of Sakr et al. 2022,
    "Optimal Clipping and Magnitude-aware Differentiation for Improved
    Quantization-aware Training" (OCTAV), equation 3; here the true error is
    searched on a grid, not its model, so no distribution is assumed. Among
    the candidates are max|w| / k for every code k: weights that already are
    multiples of a step, ``k`` times at most, are met exactly.
    """
    top, largest = top_code(bits), _largest(values, axis)
    divisors = [float(code) for code in range(top, 0, -1)]
    divisors += list(top / np.linspace(1, 0.2, CANDIDATES)[1:])
    best, least = largest / np.float32(top), np.full(largest.shape, np.inf)
    others = tuple(index for index in range(values.ndim) if index != axis)
    for divisor in divisors:
        scale = np.asarray(largest / np.float32(divisor), np.float32)
        error = np.square(_coded(values, axis, scale, bits).real().astype(np.float64) - values).sum(
            axis=others
        )
        # Only what is clearly better moves the scale, so that rounding errors never do.
        better = error < least * (1 - 1e-6)
        best, least = np.where(better, scale, best), np.where(better, error, least)
    return _coded(values, axis, best, bits)


def _largest(values: Floats, axis: int) -> Floats:
    others = tuple(index for index in range(values.ndim) if index != axis)
    return np.asarray(np.abs(values).max(axis=others), np.float32)


def _coded(values: Floats, axis: int, scale: Floats, bits: int) -> Weight:
    scale = np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale).astype(np.float32)
    shape = [1] * values.ndim
    shape[axis] = -1
    top = top_code(bits)
    codes = np.clip(np.rint(values / scale.reshape(shape)), -top, top).astype(np.int8)
    return Weight(codes, scale, axis, bits)
