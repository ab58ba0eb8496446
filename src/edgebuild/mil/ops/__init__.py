"""The registry of MIL operations that the evaluator can execute; one file per family."""

from __future__ import annotations

from collections.abc import Mapping

from edgebuild.mil.ops import conv, elementwise, linear, pool, quantization, shape
from edgebuild.mil.ops.signature import Operator

__all__ = ["OPERATORS"]

#: MIL's operation type → how to run it. const is not among them: the planner resolves it.
OPERATORS: Mapping[str, Operator] = {
    **conv.OPERATORS,
    **elementwise.OPERATORS,
    **linear.OPERATORS,
    **pool.OPERATORS,
    **quantization.OPERATORS,
    **shape.OPERATORS,
}
