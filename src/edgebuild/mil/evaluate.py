"""Executing a saved MIL program in numpy, so that a Core ML file can be judged anywhere.

What is judged is the file's mathematics: every result is computed in float32
and rounded to the type that the program declares. Apple's runtime may round and
order sums differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Inputs
from edgebuild.mil.planning import Plan
from edgebuild.mil.program import UNKNOWN, Array, TensorType
from edgebuild.mil.step import Step, execute, fits, gathered, rounded

__all__ = ["Watch", "run", "trace"]

#: Is shown each operation with the tensors that it reads, before it runs.
Watch = Callable[[Step, Inputs], None]


def run(prepared: Plan, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Execute on ``inputs``, each of the declared shape with an axis 0 of size 1 replaced by n.

    A program with an open batch takes what its types allow.

    Returns:
        The outputs by name, axis 0 replaced likewise. float16 results are
        float32 arrays of float16 values.

    Raises:
        GraphError: inputs that do not fit, or an operation whose result is not what the program declares.
    """
    count = _batch(prepared, inputs)
    if prepared.one_by_one is None or count is None:
        return _run(prepared, inputs, count)
    runs = [_run(prepared, {k: v[i : i + 1] for k, v in inputs.items()}, None) for i in range(count)]
    return {name: np.concatenate([result[name] for result in runs]) for name in prepared.outputs}


def trace(prepared: Plan, inputs: Mapping[str, Array], watch: Watch) -> None:
    """Execute as :func:`run` does, and show ``watch`` what every operation reads.

    Images that cannot share a run are shown one after the other.
    """
    count = _batch(prepared, inputs)
    if prepared.one_by_one is None or count is None:
        _run(prepared, inputs, count, watch)
    else:
        for index in range(count):
            _run(prepared, {k: v[index : index + 1] for k, v in inputs.items()}, None, watch)


def _batch(prepared: Plan, inputs: Mapping[str, Array]) -> int | None:
    """How many images ``inputs`` hold; None where they are to be run as they are.

    Raises:
        GraphError: inputs that do not fit.
    """
    counts = {name: _count(prepared, name, kind, inputs) for name, kind in prepared.inputs.items()}
    sizes = {count for count in counts.values() if count is not None}
    if len(sizes) > 1 or (None in counts.values() and sizes - {1}):
        raise GraphError(f"inputs must hold equally many images along axis 0, found {counts}")
    return None if None in counts.values() or not sizes else sizes.pop()


def _run(
    prepared: Plan, inputs: Mapping[str, Array], count: int | None, watch: Watch | None = None
) -> dict[str, Array]:
    tensors: dict[str, Array] = {
        name: rounded(np.asarray(inputs[name]), kind.dtype) for name, kind in prepared.inputs.items()
    }
    for step in prepared.steps:
        read = gathered(step, tensors)
        if watch is not None:
            watch(step, read)
        tensors.update(execute(step, read, count))
        for name in step.last_use_of:
            del tensors[name]
    return {name: np.asarray(tensors.get(name, prepared.constants.get(name))) for name in prepared.outputs}


def _count(prepared: Plan, name: str, kind: TensorType, inputs: Mapping[str, Array]) -> int | None:
    """How many images ``inputs[name]`` holds; None where it is taken as it is."""
    if prepared.flexible or kind.shape[:1] != (1,):
        _check(name, kind, inputs)
        return None
    return len(_check(name, TensorType(kind.dtype, (UNKNOWN, *kind.shape[1:])), inputs))


def _check(name: str, kind: TensorType, inputs: Mapping[str, Array]) -> Array:
    """The input called ``name``.

    Raises:
        GraphError: absent, or not of the type ``kind``.
    """
    given = inputs.get(name)
    if given is None:
        raise GraphError(f"input {name} ({kind}) is required, found {', '.join(sorted(inputs)) or 'none'}")
    accepted = ("float16", "float32") if kind.dtype.startswith("float") else (kind.dtype,)
    if not given.size or not fits(given.shape, kind.shape) or given.dtype not in accepted:
        raise GraphError(
            f"input {name} must be {kind}, with one or more images where the size is open (?); "
            f"found {given.dtype}{list(given.shape)}"
        )
    return given
