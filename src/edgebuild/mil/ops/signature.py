"""What an operation of MIL is to the evaluator: one signature, and when it may run batched.

Every operation is a function ``run(inputs) -> array``, where

* ``inputs`` maps MIL's parameter names to values: arrays (rank 0 for scalars),
  strings, or a tuple of arrays where the parameter is variadic. Parameters
  that the file leaves out are absent, and the function applies MIL's default.
* float16 values arrive as float32 arrays, and the evaluator rounds the result
  to the type that the program declares: arithmetic is in float32 throughout.
* An operation with several results (split, topk) returns them as a tuple, in MIL's order.
* What a function does not cover it refuses with a :class:`GraphError`; the
  evaluator adds the place.

A program is saved for one image. To run many at once, every operation must
treat axis 0 as a mere batch; its :data:`BatchRule` says whether it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.program import Array, TensorType, Value

__all__ = [
    "BatchRule",
    "Call",
    "Inputs",
    "Operator",
    "aligned",
    "alone",
    "apart",
    "array",
    "flag",
    "integers",
    "never",
    "number",
    "real",
    "text",
    "values",
]

Inputs = Mapping[str, "Value | tuple[Array, ...]"]


@dataclass(frozen=True)
class Call:
    """One operation seen by its batch rule.

    ``varying`` holds the types of the parameters that depend on the program's
    input (each a tuple, for variadic ones), ``constants`` all others; ``output``
    is the type of the first result.
    """

    varying: Mapping[str, tuple[TensorType, ...]]
    constants: Inputs
    output: TensorType


#: Why axis 0 is more than a batch to this call, or None. The planner has already
#: checked that every varying input and the output have a leading axis of size 1.
BatchRule = Callable[[Call], "str | None"]


@dataclass(frozen=True)
class Operator:
    """An entry of the registry.

    ``rebatch`` is for operations whose constants spell out the batch size (the
    1 in reshape's ``shape``): it returns the constants for a batch of any size,
    given those of the file and the declared result.
    """

    run: Callable[[Inputs], Array | tuple[Array, ...]]
    batch: BatchRule
    rebatch: Callable[[Inputs, TensorType], Inputs] | None = None


def alone(call: Call, key: str = "x") -> str | None:
    """Batch rule: only ``key`` may depend on the input."""
    others = sorted(set(call.varying) - {key})
    return f"{', '.join(others)} depends on the input" if others else None


def apart(axes: tuple[int, ...], rank: int) -> str | None:
    """Batch rule: the operation works along ``axes`` of a tensor of ``rank`` axes, which must leave out axis 0."""
    return "it works along axis 0" if any(axis % rank == 0 for axis in axes) else None


def never(call: Call) -> str | None:
    """Batch rule of operations whose result is no batch."""
    return "its result is one for all images"


def aligned(call: Call) -> str | None:
    """Batch rule of elementwise operations: axis 0 of every operand must meet axis 0 of the result."""
    rank = len(call.output.shape)
    if any(len(kind.shape) != rank for kinds in call.varying.values() for kind in kinds):
        return "operands of different rank are broadcast"
    return None


def array(inputs: Inputs, key: str) -> Array:
    """The tensor ``key``.

    Raises:
        GraphError: absent, or not one tensor.
    """
    value = inputs.get(key)
    if not isinstance(value, np.ndarray):
        raise GraphError(
            f"parameter {key} must be one tensor, found {'nothing' if value is None else type(value)}"
        )
    return value


def values(inputs: Inputs, key: str) -> tuple[Array, ...]:
    """The tensors of the variadic parameter ``key``."""
    value = inputs.get(key)
    return value if isinstance(value, tuple) else (array(inputs, key),)


def real(inputs: Inputs, key: str) -> npt.NDArray[np.float32]:
    """The tensor ``key``, which must be floating point."""
    value = array(inputs, key)
    if value.dtype != np.float32:
        raise GraphError(f"parameter {key} must be floating point, found {value.dtype}")
    return value.astype(np.float32, copy=False)


def number(inputs: Inputs, key: str, default: float) -> np.float32:
    """The floating point scalar ``key``."""
    if key not in inputs:
        return np.float32(default)
    value = real(inputs, key)
    if value.size != 1:
        raise GraphError(f"parameter {key} must be one number, found shape {value.shape}")
    return np.float32(value.reshape(()))


def text(inputs: Inputs, key: str, default: str | None = None) -> str:
    """The string ``key``."""
    value = inputs.get(key, default)
    if not isinstance(value, str):
        raise GraphError(
            f"parameter {key} must be a string, found {'nothing' if value is None else type(value)}"
        )
    return value


def integers(inputs: Inputs, key: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """The integers of ``key``; a scalar gives one."""
    if key not in inputs and default is not None:
        return default
    value = array(inputs, key)
    if value.dtype.kind not in "iu":
        raise GraphError(f"parameter {key} must hold integers, found {value.dtype}")
    return tuple(int(item) for item in value.reshape(-1))


def flag(inputs: Inputs, key: str, default: bool = False) -> bool:
    """The boolean ``key``."""
    return bool(array(inputs, key)) if key in inputs else default
