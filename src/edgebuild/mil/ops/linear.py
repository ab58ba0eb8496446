"""Matrix products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, array, flag, real, text, values
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]


def linear(inputs: Inputs) -> Array:
    """``x`` (..., in) times ``weight`` (out, in) transposed, plus ``bias`` (out,) → (..., out)."""
    x, weight = real(inputs, "x"), real(inputs, "weight")
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        raise GraphError(f"weight of shape {weight.shape} does not fit x of shape {x.shape}")
    product = x @ weight.T
    return product + real(inputs, "bias") if "bias" in inputs else product


def matmul(inputs: Inputs) -> Array:
    """``x`` @ ``y`` over the last two axes, each transposed first where asked; a vector is a row or a column."""
    x, y = array(inputs, "x"), array(inputs, "y")
    if x.dtype != y.dtype or x.dtype.kind not in "fi":
        raise GraphError(
            f"operands must have one type, floating point or int32, found {x.dtype} and {y.dtype}"
        )
    if flag(inputs, "transpose_x") and x.ndim > 1:
        x = np.swapaxes(x, -1, -2)
    if flag(inputs, "transpose_y") and y.ndim > 1:
        y = np.swapaxes(y, -1, -2)
    try:
        product: Array = np.matmul(x, y)
    except ValueError:
        raise GraphError(f"shapes {x.shape} and {y.shape} cannot be multiplied") from None
    return product


def einsum(inputs: Inputs) -> Array:
    """The two ``values`` multiplied and summed as ``equation`` says; axes of size 1 broadcast."""
    parts, equation = values(inputs, "values"), text(inputs, "equation")
    sources, _, target = equation.replace(" ", "").partition("->")
    names = sources.split(",")
    if len(names) != len(parts) or any(len(n) != p.ndim for n, p in zip(names, parts, strict=True)):
        raise GraphError(f"equation {equation!r} does not fit shapes {[part.shape for part in parts]}")
    sizes: dict[str, int] = {}
    for name, part in zip(names, parts, strict=True):
        for letter, size in zip(name, part.shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    whole: list[Any] = [
        np.broadcast_to(part, [sizes[letter] for letter in name])
        for name, part in zip(names, parts, strict=True)
    ]
    result: Array = np.einsum(f"{','.join(names)}->{target}", *whole, optimize=True)
    return result


def _batch_linear(call: Call) -> str | None:
    if set(call.varying) != {"x"}:
        return "the weights depend on the input"
    return None if len(call.output.shape) > 1 else "axis 0 is contracted"


def _batch_matmul(call: Call) -> str | None:
    """Axis 0 must be a stack axis of the result, or the rows of x against constant columns."""
    rank = len(call.output.shape)
    if any(len(kind.shape) != rank for kinds in call.varying.values() for kind in kinds):
        return "operands of different rank are broadcast"
    if rank > 2 or (rank == 2 and set(call.varying) == {"x"} and not flag(call.constants, "transpose_x")):
        return None
    return "axis 0 takes part in the product"


def _batch_einsum(call: Call) -> str | None:
    """One letter must be first in every operand and in the result, and the result not sum over it."""
    sources, _, target = text(call.constants, "equation").replace(" ", "").partition("->")
    first = {name[0] for name in (*sources.split(","), target)}
    return "axis 0 takes part in the product" if len(first) > 1 else None


OPERATORS: Mapping[str, Operator] = {
    "linear": Operator(linear, _batch_linear),
    "matmul": Operator(matmul, _batch_matmul),
    "einsum": Operator(einsum, _batch_einsum),
}
