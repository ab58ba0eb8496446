"""Normalizations: of a batch by stored statistics, of an image or a vector by its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, alone, apart, integers, number, real
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

Real = npt.NDArray[np.float32]


def batch_norm(inputs: Inputs) -> Array:
    """``gamma (x - mean) / sqrt(variance + epsilon) + beta``, one of each per channel (axis 1)."""
    x = real(inputs, "x")
    mean, variance = (_channels(inputs, key, x.ndim, 0) for key in ("mean", "variance"))
    scale = _channels(inputs, "gamma", x.ndim, 1) / np.sqrt(variance + number(inputs, "epsilon", 1e-5))
    normal: Array = (x - mean) * scale + _channels(inputs, "beta", x.ndim, 0)
    return normal


def instance_norm(inputs: Inputs) -> Array:
    """Mean and variance of each channel of each image (axes 2 and above), then ``gamma`` and ``beta``."""
    x = real(inputs, "x")
    normal = _standardized(x, tuple(range(2, x.ndim)), number(inputs, "epsilon", 1e-5))
    return normal * _channels(inputs, "gamma", x.ndim, 1) + _channels(inputs, "beta", x.ndim, 0)


def layer_norm(inputs: Inputs) -> Array:
    """Mean and variance over ``axes`` (all where absent); ``gamma`` and ``beta`` have those axes only."""
    x = real(inputs, "x")
    axes = sorted(axis % x.ndim for axis in integers(inputs, "axes", tuple(range(x.ndim))))
    normal = _standardized(x, tuple(axes), number(inputs, "epsilon", 1e-5))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    if "gamma" in inputs:
        normal = normal * real(inputs, "gamma").reshape(shape)
    return normal + real(inputs, "beta").reshape(shape) if "beta" in inputs else normal


def l2_norm(inputs: Inputs) -> Array:
    """x divided by the root of the sum of squares over the last three axes, plus ``epsilon``."""
    x = real(inputs, "x")
    if x.ndim < 3:
        raise GraphError(f"x must have three axes or more, found shape {x.shape}")
    total = np.square(x).sum(axis=(-3, -2, -1), keepdims=True, dtype=np.float32)
    unit: Array = x / np.sqrt(total + number(inputs, "epsilon", 1e-6))
    return unit


def _standardized(x: Real, axes: tuple[int, ...], epsilon: np.float32) -> Real:
    mean = x.mean(axis=axes, keepdims=True, dtype=np.float32)
    centred = x - mean
    variance = np.square(centred).mean(axis=axes, keepdims=True, dtype=np.float32)
    normal: Real = centred / np.sqrt(variance + epsilon)
    return normal


def _channels(inputs: Inputs, key: str, rank: int, absent: float) -> Real:
    """The vector ``key`` along axis 1 of a tensor of ``rank`` axes."""
    if key not in inputs:
        return np.full([1] * rank, absent, np.float32)
    return real(inputs, key).reshape(-1, *[1] * (rank - 2))


def _batch_layer(call: Call) -> str | None:
    rank = len(call.output.shape)
    return alone(call) or apart(integers(call.constants, "axes", tuple(range(rank))), rank)


def _batch_l2(call: Call) -> str | None:
    return apart((-3, -2, -1), len(call.output.shape))


OPERATORS: Mapping[str, Operator] = {
    "batch_norm": Operator(batch_norm, alone),
    "instance_norm": Operator(instance_norm, alone),
    "layer_norm": Operator(layer_norm, _batch_layer),
    "l2_norm": Operator(l2_norm, _batch_l2),
}
