"""Arithmetic, comparison and mathematical functions, element by element.

Operands broadcast as numpy's do. Integer arithmetic is that of int32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Inputs, Operator, aligned, array, number, real, text
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

#: MIL's names of element types; float16 is computed as float32 and rounded by the evaluator.
_CASTS = {
    "fp16": "float32",
    "fp32": "float32",
    "int32": "int32",
    "int16": "int16",
    "int8": "int8",
    "uint16": "uint16",
    "uint8": "uint8",
    "bool": "bool",
}


def _binary(function: Callable[[Any, Any], Any]) -> Operator:
    """``function`` of ``x`` and ``y``, which must have one type."""

    def run(inputs: Inputs) -> Array:
        x, y = array(inputs, "x"), array(inputs, "y")
        if x.dtype != y.dtype:
            raise GraphError(f"operands must have one type, found {x.dtype} and {y.dtype}")
        try:
            result: Array = function(x, y)
        except ValueError:
            raise GraphError(f"shapes {x.shape} and {y.shape} cannot be broadcast") from None
        return result

    return Operator(run, aligned)


def _unary(function: Callable[[Any], Any]) -> Operator:
    """``function`` of ``x``, with a result of the same type."""

    def run(inputs: Inputs) -> Array:
        x = array(inputs, "x")
        result: Array = function(x)
        return result.astype(x.dtype, copy=False)

    return Operator(run, aligned)


def _offset(function: Callable[[Any], Any], epsilon: float) -> Operator:
    """``function`` of ``x`` plus the parameter ``epsilon``."""

    def run(inputs: Inputs) -> Array:
        result: Array = function(real(inputs, "x") + number(inputs, "epsilon", epsilon))
        return result

    return Operator(run, aligned)


def _divide(x: Any, y: Any) -> Any:
    """Integers are divided without remainder, towards minus infinity."""
    return np.floor_divide(x, y) if x.dtype.kind in "iu" else np.divide(x, y)


def _power(x: Any, y: Any) -> Any:
    """Integers by way of float64, so that a negative exponent is no error."""
    return np.power(x, y) if x.dtype.kind == "f" else np.power(x.astype(np.float64), y).astype(x.dtype)


def clip(inputs: Inputs) -> Array:
    """x limited to [alpha, beta]."""
    return np.clip(real(inputs, "x"), number(inputs, "alpha", 0), number(inputs, "beta", 0))


def threshold(inputs: Inputs) -> Array:
    """max(x, alpha)."""
    x = array(inputs, "x")
    return np.maximum(x, array(inputs, "alpha").astype(x.dtype))


def cast(inputs: Inputs) -> Array:
    """Another element type; floats are truncated towards zero to integers."""
    kind = text(inputs, "dtype")
    if kind not in _CASTS:
        raise GraphError(f"parameter dtype must be one of {', '.join(_CASTS)}, found {kind!r}")
    return array(inputs, "x").astype(_CASTS[kind], copy=False)


def select(inputs: Inputs) -> Array:
    """``a`` where ``cond`` is not zero, else ``b``."""
    a, b = array(inputs, "a"), array(inputs, "b")
    if a.dtype != b.dtype:
        raise GraphError(f"operands must have one type, found {a.dtype} and {b.dtype}")
    return np.where(array(inputs, "cond") != 0, a, b)


def identity(inputs: Inputs) -> Array:
    """x."""
    return array(inputs, "x")


def erf(x: Any) -> Any:
    """The error function; numpy has none, and the C library's is correctly rounded to float64."""
    return np.vectorize(math.erf, otypes=[np.float32])(x) if x.size else x


OPERATORS: Mapping[str, Operator] = {
    "add": _binary(np.add),
    "sub": _binary(np.subtract),
    "mul": _binary(np.multiply),
    "real_div": _binary(_divide),
    "floor_div": _binary(np.floor_divide),
    "mod": _binary(np.mod),
    "pow": _binary(_power),
    "maximum": _binary(np.maximum),
    "minimum": _binary(np.minimum),
    "equal": _binary(np.equal),
    "not_equal": _binary(np.not_equal),
    "less": _binary(np.less),
    "less_equal": _binary(np.less_equal),
    "greater": _binary(np.greater),
    "greater_equal": _binary(np.greater_equal),
    "logical_and": _binary(np.logical_and),
    "logical_or": _binary(np.logical_or),
    "logical_xor": _binary(np.logical_xor),
    "logical_not": _unary(np.logical_not),
    "abs": _unary(np.abs),
    "acos": _unary(np.arccos),
    "asin": _unary(np.arcsin),
    "atan": _unary(np.arctan),
    "atanh": _unary(np.arctanh),
    "ceil": _unary(np.ceil),
    "cos": _unary(np.cos),
    "cosh": _unary(np.cosh),
    "erf": _unary(erf),
    "exp": _unary(np.exp),
    "exp2": _unary(np.exp2),
    "floor": _unary(np.floor),
    "round": _unary(np.rint),
    "sign": _unary(np.sign),
    "sin": _unary(np.sin),
    "sinh": _unary(np.sinh),
    "sqrt": _unary(np.sqrt),
    "square": _unary(np.square),
    "tan": _unary(np.tan),
    "tanh": _unary(np.tanh),
    "inverse": _offset(np.reciprocal, 1e-4),
    "log": _offset(np.log, 1e-45),
    "rsqrt": _offset(lambda x: np.float32(1) / np.sqrt(x), 1e-12),
    "clip": Operator(clip, aligned),
    "threshold": Operator(threshold, aligned),
    "cast": Operator(cast, aligned),
    "select": Operator(select, aligned),
    "identity": Operator(identity, aligned),
}
