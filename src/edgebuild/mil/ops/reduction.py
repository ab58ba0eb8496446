"""Operations that summarize elements along axes, or order them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, apart, array, flag, integers, text
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

#: (x, axes, whether they are kept with size 1) → result.
Reduction = Callable[[Any, tuple[int, ...], bool], Any]


def _mean(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    if x.dtype != np.float32:
        raise GraphError(f"parameter x must be floating point, found {x.dtype}")
    return np.mean(x, axis=axes, keepdims=keep, dtype=np.float32)


def _sum(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    return np.sum(x, axis=axes, keepdims=keep, dtype=x.dtype)


def _product(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    return np.prod(x, axis=axes, keepdims=keep, dtype=x.dtype)


def _log_sum_exp(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    """Shifted by the largest element, so that nothing overflows."""
    largest = x.max(axis=axes, keepdims=True)
    total = np.log(_sum(np.exp(x - largest), axes, True)) + largest
    return total if keep else total.squeeze(axes)


def _over_axes(function: Reduction) -> Operator:
    """``function`` over ``axes`` (all of them where absent)."""

    def run(inputs: Inputs) -> Array:
        x = array(inputs, "x")
        axes = tuple(axis % x.ndim for axis in _axes(inputs, x.ndim))
        result: Array = function(x, axes, flag(inputs, "keep_dims"))
        return result

    return Operator(run, _batch_axes)


def _position(function: Callable[..., Any]) -> Operator:
    """``function``, argmax or argmin, along ``axis``; of equal elements the first."""

    def run(inputs: Inputs) -> Array:
        x, axis = array(inputs, "x"), integers(inputs, "axis", (-1,))[0]
        kind = text(inputs, "output_dtype", "int32")
        if kind not in ("int32", "uint16"):
            raise GraphError(f"parameter output_dtype must be int32 or uint16, found {kind!r}")
        found: Array = function(x, axis=axis, keepdims=flag(inputs, "keep_dims"))
        return found.astype(kind)

    return Operator(run, _batch_axis(-1))


def cumsum(inputs: Inputs) -> Array:
    """Running sums along ``axis``; ``exclusive`` leaves out the element itself, ``reverse`` starts at the end."""
    x, axis, back = array(inputs, "x"), integers(inputs, "axis", (0,))[0], flag(inputs, "reverse")
    turned: Any = np.flip(x, axis) if back else x
    total: Any = np.cumsum(turned, axis=axis, dtype=x.dtype)
    if flag(inputs, "exclusive"):
        total = total - turned
    result: Array = np.flip(total, axis) if back else total
    return result


def argsort(inputs: Inputs) -> Array:
    """Places of the elements in order along ``axis``, the largest first unless ``ascending``."""
    places: Array = _order(array(inputs, "x"), integers(inputs, "axis", (-1,))[0], flag(inputs, "ascending"))
    return places


def topk(inputs: Inputs) -> Array | tuple[Array, ...]:
    """The ``k`` largest elements along ``axis`` (all with -1; the smallest if ``ascending``), and their places."""
    x, axis, k = array(inputs, "x"), integers(inputs, "axis", (-1,))[0], integers(inputs, "k", (1,))[0]
    order = np.take(
        _order(x, axis, flag(inputs, "ascending")), np.arange(x.shape[axis] if k < 0 else k), axis
    )
    chosen = np.take_along_axis(x, order, axis)
    if not flag(inputs, "return_indices", default=True):
        return chosen
    return chosen, order.astype(text(inputs, "output_indices_dtype", "int32"))


def _order(x: Array, axis: int, ascending: bool) -> Any:
    """Places in order along ``axis``; equal elements stay in theirs."""
    key = x if ascending else -x.astype(np.float64)
    return np.argsort(key, axis=axis, kind="stable").astype(np.int32)


def _axes(inputs: Inputs, rank: int) -> tuple[int, ...]:
    return integers(inputs, "axes", tuple(range(rank)))


def _rank(call: Call) -> int:
    return len(call.varying["x"][0].shape)


def _batch_axes(call: Call) -> str | None:
    return apart(_axes(call.constants, _rank(call)), _rank(call))


def _batch_axis(absent: int) -> Callable[[Call], str | None]:
    """Batch rule of what works along ``axis``."""
    return lambda call: apart(integers(call.constants, "axis", (absent,)), _rank(call))


OPERATORS: Mapping[str, Operator] = {
    "reduce_mean": _over_axes(_mean),
    "reduce_sum": _over_axes(_sum),
    "reduce_prod": _over_axes(_product),
    "reduce_max": _over_axes(lambda x, axes, keep: x.max(axis=axes, keepdims=keep)),
    "reduce_min": _over_axes(lambda x, axes, keep: x.min(axis=axes, keepdims=keep)),
    "reduce_l1_norm": _over_axes(lambda x, axes, keep: _sum(np.abs(x), axes, keep)),
    "reduce_l2_norm": _over_axes(lambda x, axes, keep: np.sqrt(_sum(np.square(x), axes, keep))),
    "reduce_sum_square": _over_axes(lambda x, axes, keep: _sum(np.square(x), axes, keep)),
    "reduce_log_sum": _over_axes(lambda x, axes, keep: np.log(_sum(x, axes, keep))),
    "reduce_log_sum_exp": _over_axes(_log_sum_exp),
    "reduce_argmax": _position(np.argmax),
    "reduce_argmin": _position(np.argmin),
    "cumsum": Operator(cumsum, _batch_axis(0)),
    "argsort": Operator(argsort, _batch_axis(-1)),
    "topk": Operator(topk, _batch_axis(-1)),
}
