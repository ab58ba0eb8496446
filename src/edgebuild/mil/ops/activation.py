"""Activation functions; the formulas are those of Apple's documentation of MIL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.elementwise import erf
from edgebuild.mil.ops.signature import (
    Call,
    Inputs,
    Operator,
    aligned,
    apart,
    array,
    integers,
    number,
    real,
    text,
)
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

Real = npt.NDArray[np.float32]

_HALF, _ONE = np.float32(0.5), np.float32(1)


def relu(inputs: Inputs) -> Array:
    """max(x, 0)."""
    x = array(inputs, "x")
    return np.maximum(x, x.dtype.type(0))


def relu6(inputs: Inputs) -> Array:
    """x limited to [0, 6]."""
    return np.clip(real(inputs, "x"), np.float32(0), np.float32(6))


def softmax(inputs: Inputs) -> Array:
    """Exponentials along ``axis`` divided by their sum, shifted by the largest."""
    x, axis = real(inputs, "x"), integers(inputs, "axis", (-1,))[0]
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    share: Array = powers / powers.sum(axis=axis, keepdims=True)
    return share


def gelu(inputs: Inputs) -> Array:
    """x times the normal distribution function, or one of its two approximations (Hendrycks, Gimpel 2016)."""
    x, mode = real(inputs, "x"), text(inputs, "mode", "EXACT")
    if mode == "EXACT":
        share = _HALF * (_ONE + erf(x * np.float32(0.5**0.5)))
    elif mode == "TANH_APPROXIMATION":
        inner = x + np.float32(0.044715) * x**3
        share = _HALF * (_ONE + np.tanh(np.float32((2 / np.pi) ** 0.5) * inner))
    elif mode == "SIGMOID_APPROXIMATION":
        share = _sigmoid(np.float32(1.702) * x)
    else:
        raise GraphError(
            f"parameter mode must be EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION, found {mode!r}"
        )
    result: Array = x * share
    return result


def prelu(inputs: Inputs) -> Array:
    """x, times ``alpha`` of its channel (axis 1) where negative."""
    x = real(inputs, "x")
    return np.where(x > 0, x, x * _channels(inputs, "alpha", x.ndim))


def softplus_parametric(inputs: Inputs) -> Array:
    """alpha · log(1 + exp(beta · x)), with ``alpha`` and ``beta`` of its channel (axis 1)."""
    x = real(inputs, "x")
    result: Array = _channels(inputs, "alpha", x.ndim) * _softplus(_channels(inputs, "beta", x.ndim) * x)
    return result


def _sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), by tanh so that nothing overflows."""
    return _HALF * np.tanh(_HALF * x) + _HALF


def _softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(np.float32(0), x)


def _elu(x: Any, alpha: Any) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, np.float32(0))))


def _plain(function: Callable[[Any], Any]) -> Operator:
    """``function`` of ``x``."""

    def run(inputs: Inputs) -> Array:
        result: Array = function(real(inputs, "x"))
        return result

    return Operator(run, aligned)


def _with_alpha(function: Callable[[Any, Any], Any]) -> Operator:
    """``function`` of ``x`` and the number ``alpha``."""

    def run(inputs: Inputs) -> Array:
        result: Array = function(real(inputs, "x"), number(inputs, "alpha", 1))
        return result

    return Operator(run, aligned)


def _with_alpha_and_beta(function: Callable[[Any, Any, Any], Any]) -> Operator:
    """``function`` of ``x`` and the numbers ``alpha`` and ``beta``."""

    def run(inputs: Inputs) -> Array:
        x, alpha, beta = real(inputs, "x"), number(inputs, "alpha", 1), number(inputs, "beta", 0)
        result: Array = function(x, alpha, beta)
        return result

    return Operator(run, aligned)


def _channels(inputs: Inputs, key: str, rank: int) -> Real:
    """The vector ``key`` along axis 1 of a tensor of ``rank`` axes."""
    return real(inputs, key).reshape(-1, *[1] * (rank - 2))


def _batch_softmax(call: Call) -> str | None:
    return apart(integers(call.constants, "axis", (-1,)), len(call.output.shape))


_ZERO = np.float32(0)

OPERATORS: Mapping[str, Operator] = {
    "relu": Operator(relu, aligned),
    "relu6": Operator(relu6, aligned),
    "softmax": Operator(softmax, _batch_softmax),
    "gelu": Operator(gelu, aligned),
    "prelu": Operator(prelu, aligned),
    "softplus_parametric": Operator(softplus_parametric, aligned),
    "sigmoid": _plain(_sigmoid),
    "silu": _plain(lambda x: x * _sigmoid(x)),
    "softplus": _plain(_softplus),
    "softsign": _plain(lambda x: x / (_ONE + np.abs(x))),
    "elu": _with_alpha(_elu),
    "leaky_relu": _with_alpha(lambda x, alpha: np.where(x >= 0, x, alpha * x)),
    "thresholded_relu": _with_alpha(lambda x, alpha: np.where(x >= alpha, x, _ZERO)),
    "clamped_relu": _with_alpha_and_beta(
        lambda x, alpha, beta: np.minimum(np.where(x >= 0, x, alpha * x), beta)
    ),
    "linear_activation": _with_alpha_and_beta(lambda x, alpha, beta: alpha * x + beta),
    "scaled_tanh": _with_alpha_and_beta(lambda x, alpha, beta: alpha * np.tanh(beta * x)),
    "sigmoid_hard": _with_alpha_and_beta(lambda x, alpha, beta: np.clip(alpha * x + beta, _ZERO, _ONE)),
}
