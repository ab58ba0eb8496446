"""Preparing a program: constants resolved once, batching decided.

Constants are those that the file holds and those that operations compute from
constants alone. Whether many images may share one run is asked of every
operation; a program that leaves its batch open is run as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops import OPERATORS
from edgebuild.mil.ops.signature import Call, Operator
from edgebuild.mil.program import (
    UNKNOWN,
    Argument,
    Array,
    Function,
    Operation,
    Reference,
    TensorType,
    Value,
)
from edgebuild.mil.step import MISFITS, Step, execute

__all__ = ["Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """A program ready to run.

    ``one_by_one`` says why images cannot share a run, or is None: then axis 0
    of every tensor that depends on the input is a batch of any size. A program
    that leaves its batch open is run as it is: ``flexible``.
    """

    inputs: Mapping[str, TensorType]
    steps: tuple[Step, ...]
    constants: Mapping[str, Value]
    outputs: tuple[str, ...]
    one_by_one: str | None
    flexible: bool = False


def plan(function: Function) -> Plan:
    """Prepare ``function``.

    Raises:
        GraphError: an operation that is not in the registry, named with its place.
    """
    constants: dict[str, Value] = {}
    types = dict(function.inputs)
    steps: list[Step] = []
    flexible = any(UNKNOWN in kind.shape for kind in types.values())
    refusal = next(
        (f"input {name} is {kind}" for name, kind in types.items() if kind.shape[:1] != (1,)), None
    )
    for operation in function.operations:
        types.update(operation.outputs)
        if operation.type == "const":
            constants[operation.outputs[0][0]] = _widened(_only(operation, "val"))
            continue
        operator = OPERATORS.get(operation.type)
        if operator is None:
            known = ", ".join(sorted(OPERATORS))
            raise GraphError(f"{operation.location}: this operation cannot be evaluated; known are {known}")
        step = _step(operation, operator, constants)
        if not step.reads:
            constants.update(execute(step, {}, None))
            continue
        refusal = refusal or _refusal(step, types)
        steps.append(step)
    for name in function.outputs:
        if name in constants:
            refusal = refusal or f"output {name} does not depend on the input"
    if flexible:
        refusal = None
    elif refusal is None:
        steps = [_rebatched(step) for step in steps]
    return Plan(
        function.inputs,
        _with_last_uses(steps, function.outputs),
        constants,
        function.outputs,
        refusal,
        flexible,
    )


def _widened(value: Value) -> Value:
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float16 else value


def _only(operation: Operation, key: str) -> Value:
    argument = operation.inputs.get(key, ())
    if len(argument) != 1 or isinstance(argument[0], Reference):
        raise GraphError(f"{operation.location} must hold one constant {key}")
    return argument[0]


def _step(operation: Operation, operator: Operator, constants: Mapping[str, Value]) -> Step:
    known: dict[str, Value | tuple[Array, ...]] = {}
    reads: dict[str, tuple[str | Array, ...]] = {}
    for key, argument in operation.inputs.items():
        resolved = _resolve(argument, constants)
        if any(isinstance(item, Reference) for item in resolved):
            reads[key] = tuple(
                item.name if isinstance(item, Reference) else np.asarray(_widened(item)) for item in resolved
            )
        else:
            found = tuple(_widened(item) for item in resolved if not isinstance(item, Reference))
            known[key] = found[0] if len(found) == 1 else tuple(np.asarray(item) for item in found)
    return Step(operator, operation, known, reads, ())


def _resolve(argument: Argument, constants: Mapping[str, Value]) -> Argument:
    return tuple(constants.get(item.name, item) if isinstance(item, Reference) else item for item in argument)


def _refusal(step: Step, types: Mapping[str, TensorType]) -> str | None:
    """Why this step cannot run batched, or None."""
    outputs = [kind for _, kind in step.operation.outputs]
    if any(not isinstance(item, str) for items in step.reads.values() for item in items):
        return f"{step.operation.location}: constants stand among its operands"
    varying = {key: tuple(types[str(name)] for name in names) for key, names in step.reads.items()}
    for kind in (*outputs, *(item for kinds in varying.values() for item in kinds)):
        if kind.shape[:1] != (1,):
            return f"{step.operation.location}: {kind} has no leading axis of size 1"
    try:
        reason = step.operator.batch(Call(varying, step.constants, outputs[0]))
    except (GraphError, *MISFITS) as error:
        raise GraphError(f"{step.operation.location}: {error}") from None
    return None if reason is None else f"{step.operation.location}: {reason}"


def _rebatched(step: Step) -> Step:
    """Constants that spell out the batch size of the file: let it be inferred from the images instead."""
    if step.operator.rebatch is None:
        return step
    constants = step.operator.rebatch(step.constants, step.operation.outputs[0][1])
    return Step(step.operator, step.operation, constants, step.reads, ())


def _with_last_uses(steps: list[Step], outputs: tuple[str, ...]) -> tuple[Step, ...]:
    """Note where each tensor is read last, so that a long program holds few at a time."""
    needed = set(outputs)
    finished: list[Step] = []
    for step in reversed(steps):
        names = {name for group in step.reads.values() for name in group if isinstance(name, str)}
        finished.append(
            Step(step.operator, step.operation, step.constants, step.reads, tuple(sorted(names - needed)))
        )
        needed |= names
    return tuple(reversed(finished))
