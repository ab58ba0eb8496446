"""Matrix products."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, flag, real
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
    """``x`` @ ``y`` over the last two axes, each transposed first where asked."""
    x, y = real(inputs, "x"), real(inputs, "y")
    if x.ndim < 2 or y.ndim < 2:
        raise GraphError(f"both operands must have at least two axes, found shapes {x.shape} and {y.shape}")
    if flag(inputs, "transpose_x"):
        x = np.swapaxes(x, -1, -2)
    if flag(inputs, "transpose_y"):
        y = np.swapaxes(y, -1, -2)
    if x.shape[-1] != y.shape[-2]:
        raise GraphError(f"{x.shape[-1]} columns meet {y.shape[-2]} rows")
    product: Array = np.matmul(x, y)
    return product


def _batch_linear(call: Call) -> str | None:
    if set(call.varying) != {"x"}:
        return "the weights depend on the input"
    return None if len(call.output.shape) > 1 else "axis 0 is contracted"


def _batch_matmul(call: Call) -> str | None:
    """Axis 0 must be a stack axis of the result, or the rows of x against constant columns."""
    rank = len(call.output.shape)
    if any(len(kind.shape) != rank for kinds in call.varying.values() for kind in kinds):
        return "operands of different rank are broadcast"
    if rank > 2 or (set(call.varying) == {"x"} and not flag(call.constants, "transpose_x")):
        return None
    return "axis 0 takes part in the product"


OPERATORS: Mapping[str, Operator] = {
    "linear": Operator(linear, _batch_linear),
    "matmul": Operator(matmul, _batch_matmul),
}
