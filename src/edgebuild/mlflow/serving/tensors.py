"""Named tensors between a caller and a runtime: checked, cast, cut into runs and put together again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import UsageError

__all__ = ["OPEN", "Array", "Tensor", "feeds", "opened", "runs", "together"]

Array = npt.NDArray[Any]

#: The size of an axis that takes any number; as axis 0, any number of samples.
OPEN = -1


@dataclass(frozen=True)
class Tensor:
    """An input or output: numpy's name of its type, and its shape with :data:`OPEN` axes.

    ``grid`` is (scale, zero point) where a file takes or gives quantized codes: real = scale · (code − zero point).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    grid: tuple[float, int] | None = None

    def __str__(self) -> str:
        sizes = ", ".join("n" if size == OPEN else str(size) for size in self.shape)
        codes = (
            "" if self.grid is None else f", codes of scale {self.grid[0]:.9g} and zero point {self.grid[1]}"
        )
        return f"{self.name} {self.dtype} ({sizes}){codes}"


def opened(tensors: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
    """``tensors`` with axis 0 open, if in all of them it is one sample or open already; None otherwise."""
    if any(tensor.shape[:1] not in ((1,), (OPEN,)) for tensor in tensors):
        return None
    return tuple(
        Tensor(tensor.name, tensor.dtype, (OPEN, *tensor.shape[1:]), tensor.grid) for tensor in tensors
    )


def feeds(given: Array | Mapping[str, Array], inputs: Sequence[Tensor]) -> dict[str, Array]:
    """``given``, an array for the only input or arrays by name, as contiguous arrays of the inputs' types.

    Any numbers are taken for a floating-point input; integers that fit for an integer one.

    Raises:
        UsageError: an input is missing, unknown, empty, or has another shape or kind of number.
    """
    listed = "; ".join(map(str, inputs))
    if not isinstance(given, Mapping):
        if len(inputs) != 1:
            raise UsageError(f"arrays by name are required ({listed}), found {type(given).__name__}")
        given = {inputs[0].name: given}
    if set(given) != {tensor.name for tensor in inputs}:
        raise UsageError(f"exactly these inputs are required: {listed}; found {', '.join(map(str, given))}")
    found = {tensor.name: _cast(tensor, np.asarray(given[tensor.name])) for tensor in inputs}
    counts = {name: len(found[name]) for name in _samples(inputs)}
    if len(set(counts.values())) > 1:
        raise UsageError(f"all inputs must hold equally many samples along axis 0, found {counts}")
    return found


def runs(found: Mapping[str, Array], inputs: Sequence[Tensor], size: int) -> Iterator[dict[str, Array]]:
    """``found`` in pieces of at most ``size`` samples; whole where the inputs are not samples."""
    names = _samples(inputs)
    if len(names) < len(inputs):
        yield dict(found)
        return
    for start in range(0, len(found[names[0]]), size):
        yield {name: array[start : start + size] for name, array in found.items()}


def together(parts: Sequence[Mapping[str, Array]]) -> Array | dict[str, Array]:
    """The results of all runs: an array if there is one output, arrays by name if there are several."""
    names = list(parts[0])
    joined = {
        name: parts[0][name] if len(parts) == 1 else np.concatenate([part[name] for part in parts])
        for name in names
    }
    return joined[names[0]] if len(names) == 1 else joined


def _samples(inputs: Sequence[Tensor]) -> list[str]:
    return [tensor.name for tensor in inputs if tensor.shape[:1] == (OPEN,)]


def _cast(tensor: Tensor, array: Array) -> Array:
    fits = len(array.shape) == len(tensor.shape) and all(
        wanted in (OPEN, size) for wanted, size in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits or not array.size:
        raise UsageError(f"input must be {tensor}, found {array.dtype} {array.shape}")
    wanted = np.dtype(tensor.dtype)
    if wanted.kind == "f" and array.dtype.kind in "fiu":
        return np.ascontiguousarray(array, wanted)
    if wanted.kind in "iu" and array.dtype.kind in "iu":
        limits = np.iinfo(wanted)
        if limits.min <= array.min() and array.max() <= limits.max:
            return np.ascontiguousarray(array, wanted)
        raise UsageError(f"input must be {tensor}, found numbers from {array.min()} to {array.max()}")
    if wanted != array.dtype:
        raise UsageError(f"input must be {tensor}, found {array.dtype} numbers")
    return np.ascontiguousarray(array)
