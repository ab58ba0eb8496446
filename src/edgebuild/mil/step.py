"""One operation of a prepared program: executing it, and holding its results against the declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.half import round_to_half
from edgebuild.mil.ops.signature import Inputs, Operator
from edgebuild.mil.program import UNKNOWN, Array, Operation, TensorType, Value

__all__ = ["MISFITS", "Step", "execute", "fits", "gathered", "rounded"]


#: What numpy raises where shapes, axes or counts that a file states do not fit one another.
MISFITS = (ValueError, IndexError, ArithmeticError)


@dataclass(frozen=True)
class Step:
    """One operation to execute: its constants, what it reads, and which tensors end with it.

    ``reads`` maps parameters to names of tensors; a variadic parameter may hold constants among them.
    """

    operator: Operator
    operation: Operation
    constants: Inputs
    reads: Mapping[str, tuple[str | Array, ...]]
    last_use_of: tuple[str, ...]


def gathered(step: Step, tensors: Mapping[str, Array]) -> Inputs:
    """What ``step`` reads of ``tensors``, by parameter."""
    read: dict[str, Value | tuple[Array, ...]] = {}
    for key, items in step.reads.items():
        found = tuple(tensors[item] if isinstance(item, str) else item for item in items)
        read[key] = found[0] if len(found) == 1 else found
    return read


def execute(step: Step, read: Inputs, count: int | None) -> dict[str, Array]:
    """Run one step and hold its results against the declaration; ``count`` replaces axis 0 if given.

    Raises:
        GraphError: the operation refuses its inputs, or computes something else than the program declares.
    """
    try:
        with np.errstate(all="ignore"):  # infinities are a program's right, and visible in its result
            results = step.operator.run({**step.constants, **read})
    except (GraphError, *MISFITS) as error:
        raise GraphError(f"{step.operation.location}: {error}") from None
    results = results if isinstance(results, tuple) else (results,)
    declared = step.operation.outputs
    if len(results) != len(declared):
        raise GraphError(
            f"{step.operation.location} declares {len(declared)} results, and computes {len(results)}; "
            "the file is damaged, export it again"
        )
    return {
        name: rounded(_held(step, name, kind, np.asarray(result), count), kind.dtype)
        for (name, kind), result in zip(declared, results, strict=True)  # rank 0 comes as a scalar
    }


def _held(step: Step, name: str, declared: TensorType, result: Array, count: int | None) -> Array:
    """``result``, if it is what the program declares.

    Raises:
        GraphError: another type or shape.
    """
    shape = declared.shape if count is None else (count, *declared.shape[1:])
    computed = "float32" if declared.dtype == "float16" else declared.held
    if not fits(result.shape, shape) or result.dtype != computed:
        raise GraphError(
            f"{step.operation.location} declares {name} as {declared}, and computes "
            f"{result.dtype}{list(result.shape)} where {TensorType(computed, shape)} is required; "
            "the file is damaged, export it again"
        )
    return result


def fits(found: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    return found == declared or (
        len(found) == len(declared) and all(b in (a, UNKNOWN) for a, b in zip(found, declared, strict=True))
    )


def rounded(array: Array, dtype: str) -> Array:
    """float16 values in a float32 array; other types as they are."""
    return round_to_half(array.astype(np.float32, copy=False)) if dtype == "float16" else array
