"""The registry of MIL operations that the evaluator can execute; one file per family."""

from __future__ import annotations

from collections.abc import Mapping

from edgebuild.mil.ops import (
    activation,
    compression,
    conv,
    conv_transpose,
    elementwise,
    generation,
    linear,
    normalization,
    pool,
    quantization,
    reduction,
    resize,
    shape,
    slicing,
    spatial,
)
from edgebuild.mil.ops.signature import Operator

__all__ = ["OPERATORS"]

#: MIL's operation type → how to run it. const is not among them: the planner resolves it.
OPERATORS: Mapping[str, Operator] = {
    **activation.OPERATORS,
    **compression.OPERATORS,
    **conv.OPERATORS,
    **conv_transpose.OPERATORS,
    **elementwise.OPERATORS,
    **generation.OPERATORS,
    **linear.OPERATORS,
    **normalization.OPERATORS,
    **pool.OPERATORS,
    **quantization.OPERATORS,
    **reduction.OPERATORS,
    **resize.OPERATORS,
    **shape.OPERATORS,
    **slicing.OPERATORS,
    **spatial.OPERATORS,
}
