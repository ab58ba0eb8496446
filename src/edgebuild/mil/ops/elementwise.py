"""Arithmetic, activations and casts, element by element."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, aligned, array, integers, real, text
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

#: MIL's names of element types; float16 is computed as float32 and rounded by the evaluator.
_CASTS = {
    "fp16": "float32",
    "fp32": "float32",
    "int32": "int32",
    "int16": "int16",
    "int8": "int8",
    "uint8": "uint8",
}


def _binary(function: Callable[[Array, Array], Array]) -> Callable[[Inputs], Array]:
    def run(inputs: Inputs) -> Array:
        x, y = array(inputs, "x"), array(inputs, "y")
        if x.dtype != y.dtype:
            raise GraphError(f"operands must have one type, found {x.dtype} and {y.dtype}")
        return function(x, y)

    return run


def relu(inputs: Inputs) -> Array:
    """max(x, 0)."""
    return np.maximum(array(inputs, "x"), array(inputs, "x").dtype.type(0))


def relu6(inputs: Inputs) -> Array:
    """x limited to [0, 6]."""
    return np.clip(real(inputs, "x"), np.float32(0), np.float32(6))


def clip(inputs: Inputs) -> Array:
    """x limited to [alpha, beta]."""
    return np.clip(real(inputs, "x"), real(inputs, "alpha"), real(inputs, "beta"))


def sigmoid(inputs: Inputs) -> Array:
    """1 / (1 + exp(-x)), by tanh so that nothing overflows."""
    half = np.float32(0.5)
    share: Array = half * np.tanh(half * real(inputs, "x")) + half
    return share


def softmax(inputs: Inputs) -> Array:
    """Exponentials along ``axis`` divided by their sum, shifted by the largest."""
    x, axis = real(inputs, "x"), integers(inputs, "axis", (-1,))[0]
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    share: Array = powers / powers.sum(axis=axis, keepdims=True)
    return share


def cast(inputs: Inputs) -> Array:
    """Another element type; floats are truncated towards zero to integers."""
    kind = text(inputs, "dtype")
    if kind not in _CASTS:
        raise GraphError(f"parameter dtype must be one of {', '.join(_CASTS)}, found {kind!r}")
    return array(inputs, "x").astype(_CASTS[kind], copy=False)


def _batch_softmax(call: Call) -> str | None:
    axis = integers(call.constants, "axis", (-1,))[0]
    return "axis 0 is normalized" if axis % len(call.output.shape) == 0 else None


OPERATORS: Mapping[str, Operator] = {
    "add": Operator(_binary(np.add), aligned),
    "sub": Operator(_binary(np.subtract), aligned),
    "mul": Operator(_binary(np.multiply), aligned),
    "relu": Operator(relu, aligned),
    "relu6": Operator(relu6, aligned),
    "clip": Operator(clip, aligned),
    "sigmoid": Operator(sigmoid, aligned),
    "softmax": Operator(softmax, _batch_softmax),
    "cast": Operator(cast, aligned),
}
