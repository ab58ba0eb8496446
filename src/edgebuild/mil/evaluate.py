"""Executing a saved MIL program in numpy, so that a Core ML file can be judged anywhere.

:func:`plan` resolves constants once (those that operations compute from
constants, too) and finds out whether many images may share one run;
:func:`run` executes. What is judged is the file's mathematics: every result is
computed in float32 and rounded to the type that the program declares. Apple's
runtime may round and order sums differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.half import round_to_half
from edgebuild.mil.ops import OPERATORS
from edgebuild.mil.ops.signature import Call, Inputs, Operator
from edgebuild.mil.program import Argument, Array, Function, Operation, Reference, TensorType, Value

__all__ = ["Plan", "Step", "plan", "run"]


@dataclass(frozen=True)
class Step:
    """One operation to execute: its constants, what it reads, and which tensors end with it."""

    operator: Operator
    operation: Operation
    constants: Inputs
    reads: Mapping[str, tuple[str, ...]]
    last_use_of: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A program ready to run.

    ``one_by_one`` says why images cannot share a run, or is None: then axis 0
    of every tensor that depends on the input is a batch of any size.
    """

    inputs: Mapping[str, TensorType]
    steps: tuple[Step, ...]
    constants: Mapping[str, Value]
    outputs: tuple[str, ...]
    one_by_one: str | None


def plan(function: Function) -> Plan:
    """Prepare ``function``.

    Raises:
        GraphError: an operation that is not in the registry, named with its place.
    """
    constants: dict[str, Value] = {}
    types = dict(function.inputs)
    steps: list[Step] = []
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
        if len(operation.outputs) != 1:
            raise GraphError(f"{operation.location}: one result is required, found {len(operation.outputs)}")
        step = _step(operation, operator, constants)
        if not step.reads:
            constants[operation.outputs[0][0]] = _execute(step, {}, None)
            continue
        refusal = refusal or _refusal(step, types)
        steps.append(step)
    if refusal is None:
        steps = [_rebatched(step) for step in steps]
    return Plan(
        function.inputs, _with_last_uses(steps, function.outputs), constants, function.outputs, refusal
    )


def run(prepared: Plan, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Execute on ``inputs``, each of the declared shape with axis 0 replaced by n.

    Returns:
        The outputs by name, axis 0 replaced likewise. float16 results are
        float32 arrays of float16 values.

    Raises:
        GraphError: inputs that do not fit, or an operation whose result is not what the program declares.
    """
    counts = {_count(name, kind, inputs) for name, kind in prepared.inputs.items()}
    if len(counts) != 1:
        raise GraphError(f"inputs must agree in axis 0, found sizes {sorted(map(str, counts))}")
    count = counts.pop()
    if prepared.one_by_one is None or count is None:
        return _run(prepared, inputs, count)
    runs = [_run(prepared, {k: v[i : i + 1] for k, v in inputs.items()}, None) for i in range(count)]
    return {name: np.concatenate([result[name] for result in runs]) for name in prepared.outputs}


def _run(prepared: Plan, inputs: Mapping[str, Array], count: int | None) -> dict[str, Array]:
    tensors: dict[str, Array] = {
        name: _rounded(np.asarray(inputs[name]), kind.dtype) for name, kind in prepared.inputs.items()
    }
    for step in prepared.steps:
        tensors[step.operation.outputs[0][0]] = _execute(step, tensors, count)
        for name in step.last_use_of:
            del tensors[name]
    return {name: np.asarray(tensors.get(name, prepared.constants.get(name))) for name in prepared.outputs}


def _execute(step: Step, tensors: Mapping[str, Array], count: int | None) -> Array:
    """Run one step and hold its result against the declaration; ``count`` replaces axis 0 if given."""
    read: dict[str, Value | tuple[Array, ...]] = {}
    for key, names in step.reads.items():
        found = tuple(tensors[name] for name in names)
        read[key] = found[0] if len(found) == 1 else found
    name, declared = step.operation.outputs[0]
    shape = declared.shape if count is None else (count, *declared.shape[1:])
    try:
        with np.errstate(all="ignore"):  # infinities are a program's right, and visible in its result
            result = np.asarray(step.operator.run({**step.constants, **read}))  # rank 0 comes as a scalar
    except GraphError as error:
        raise GraphError(f"{step.operation.location}: {error}") from None
    computed = "float32" if declared.dtype == "float16" else declared.dtype
    if result.shape != shape or result.dtype != computed:
        raise GraphError(
            f"{step.operation.location} declares {name} as {declared}, and computes "
            f"{result.dtype}{list(result.shape)} where {computed}{list(shape)} is required; "
            "the file is damaged, export it again"
        )
    return _rounded(result, declared.dtype)


def _rounded(array: Array, dtype: str) -> Array:
    """float16 values in a float32 array; other types as they are."""
    return round_to_half(array.astype(np.float32, copy=False)) if dtype == "float16" else array


def _widened(value: Value) -> Value:
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float16 else value


def _only(operation: Operation, key: str) -> Value:
    argument = operation.inputs.get(key, ())
    if len(argument) != 1 or isinstance(argument[0], Reference):
        raise GraphError(f"{operation.location} must hold one constant {key}")
    return argument[0]


def _step(operation: Operation, operator: Operator, constants: Mapping[str, Value]) -> Step:
    known: dict[str, Value | tuple[Array, ...]] = {}
    reads: dict[str, tuple[str, ...]] = {}
    for key, argument in operation.inputs.items():
        resolved = _resolve(argument, constants)
        if not any(isinstance(item, Reference) for item in resolved):
            found = tuple(_widened(item) for item in resolved if not isinstance(item, Reference))
            known[key] = found[0] if len(found) == 1 else tuple(np.asarray(item) for item in found)
        elif all(isinstance(item, Reference) for item in resolved):
            reads[key] = tuple(item.name for item in resolved if isinstance(item, Reference))
        else:
            raise GraphError(
                f"{operation.location}: parameter {key} mixes constants and tensors, which is not covered"
            )
    return Step(operator, operation, known, reads, ())


def _resolve(argument: Argument, constants: Mapping[str, Value]) -> Argument:
    return tuple(constants.get(item.name, item) if isinstance(item, Reference) else item for item in argument)


def _refusal(step: Step, types: Mapping[str, TensorType]) -> str | None:
    """Why this step cannot run batched, or None."""
    output = step.operation.outputs[0][1]
    varying = {key: tuple(types[name] for name in names) for key, names in step.reads.items()}
    for kind in (output, *(item for kinds in varying.values() for item in kinds)):
        if kind.shape[:1] != (1,):
            return f"{step.operation.location}: {kind} has no leading axis of size 1"
    try:
        reason = step.operator.batch(Call(varying, step.constants, output))
    except GraphError as error:
        raise GraphError(f"{step.operation.location}: {error}") from None
    return None if reason is None else f"{step.operation.location}: {reason}"


def _rebatched(step: Step) -> Step:
    """A reshape was saved with the batch size written out: let it be inferred from the images instead."""
    if step.operation.type != "reshape":
        return step
    shape = np.array([-1, *step.operation.outputs[0][1].shape[1:]], np.int32)
    return Step(step.operator, step.operation, {**step.constants, "shape": shape}, step.reads, ())


def _with_last_uses(steps: list[Step], outputs: tuple[str, ...]) -> tuple[Step, ...]:
    """Note where each tensor is read last, so that a long program holds few at a time."""
    needed = set(outputs)
    finished: list[Step] = []
    for step in reversed(steps):
        names = {name for group in step.reads.values() for name in group}
        finished.append(
            Step(step.operator, step.operation, step.constants, step.reads, tuple(sorted(names - needed)))
        )
        needed |= names
    return tuple(reversed(finished))


def _count(name: str, kind: TensorType, inputs: Mapping[str, Array]) -> int | None:
    """How many images ``inputs[name]`` holds; None where the program's axis 0 is not one image."""
    given = inputs.get(name)
    if given is None:
        raise GraphError(f"input {name} ({kind}) is required, found {', '.join(sorted(inputs)) or 'none'}")
    single = kind.shape[:1] == (1,)
    fits = given.shape[1:] == kind.shape[1:] and given.size if single else given.shape == kind.shape
    accepted = ("float16", "float32") if kind.dtype.startswith("float") else (kind.dtype,)
    if given.ndim != len(kind.shape) or not fits or given.dtype not in accepted:
        wanted = f"{kind}, with one or more images along axis 0" if single else str(kind)
        raise GraphError(f"input {name} must be {wanted}; found {given.dtype}{list(given.shape)}")
    return given.shape[0] if single else None
