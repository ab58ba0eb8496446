"""In which order a file has the axes of a tensor that the graph holds as (height, width, channels).

PyTorch writes (n, c, h, w), TensorFlow (n, h, w, c), and files transpose,
squeeze and flatten in between. None of that is computed: a :class:`Tensor` is a
node of the graph and the letters of its axes as the file has them, so that
transposing renames letters, and what depends on the order of axes (the rows of
a dense kernel after a flattening, numbers per channel) is put in the order of
the graph once, when the file is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "OPEN",
    "Refused",
    "Tensor",
    "arranged",
    "flat_order",
    "per_channel",
    "reshaped",
    "transposed",
    "upright",
]

Array = npt.NDArray[Any]

#: Stands for a batch that the file leaves open: a prime that no product of sides and channels has as a factor.
OPEN = 1_000_003


class Refused(Exception):
    """Why one operator cannot be part of the graph; collected, and shown with its name."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file, and the node that holds it.

    ``shape`` is that of the node, ``(h, w, c)`` or ``(features,)``; ``axes`` has a
    letter of "nhwc" for every axis in the file, a missing letter has size 1 (the
    features of a vector are "c"). ``order`` is set after the flattening of a map
    in another order than the graph's: feature ``i`` in the file is feature
    ``order[i]`` of the node, int64 ``(features,)``.
    """

    node: str
    shape: tuple[int, ...]
    axes: str
    batch: int
    order: npt.NDArray[np.int64] | None = None

    def size(self, letter: str) -> int:
        """Of one axis; 1 for height and width of a vector."""
        if letter == "n":
            return self.batch
        if letter == "c":
            return self.shape[-1]
        return self.shape["hw".index(letter)] if len(self.shape) == 3 else 1

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape as the file has it, with the batch."""
        return tuple(self.size(letter) for letter in self.axes)

    @property
    def sides(self) -> tuple[int, int, int]:
        """Height, width, channels; a vector is one pixel."""
        return self.size("h"), self.size("w"), self.size("c")


def arranged(tensor: Tensor, *wanted: str) -> Tensor:
    """``tensor`` with the first of the ``wanted`` orders of axes that it has; axes of size 1 may change places.

    Raises:
        Refused: it has none of them.
    """
    for axes in wanted:
        same = len(axes) == len(tensor.axes) and all(
            found == letter or tensor.size(found) == tensor.size(letter) == 1
            for found, letter in zip(tensor.axes, axes, strict=True)
        )
        if same:
            return replace(tensor, axes=axes)
    expected = " or ".join(" × ".join(axes).upper() for axes in wanted)
    raise Refused(
        f"it must read a tensor {expected}, found {_shown(tensor)}; only transpositions between NCHW and NHWC "
        f"that the file undoes again can be left out"
    )


def transposed(tensor: Tensor, order: Sequence[int]) -> Tensor:
    """``tensor`` with the axes of the file in another order."""
    if sorted(order) != list(range(len(tensor.axes))):
        raise Refused(f"{tuple(order)} is not an order of the axes of {_shown(tensor)}")
    return replace(tensor, axes="".join(tensor.axes[axis] for axis in order))


def reshaped(tensor: Tensor, dims: Sequence[int]) -> Tensor | None:
    """``tensor`` in the file's shape ``dims``, where only axes of size 1 come or go; None if it is flattened.

    ``dims`` may hold -1 once (what is left) and 0 (what was there).

    Raises:
        Refused: another shape.
    """
    wanted = _resolved(tensor, dims)
    kept = [letter for letter in tensor.axes if letter != "n" and tensor.size(letter) > 1]
    long = [size for size in wanted[1:] if size != 1]
    if tensor.axes[:1] == "n" and wanted[0] == tensor.batch:
        free = [letter for letter in "hwc" if tensor.size(letter) == 1]
        if long == [tensor.size(letter) for letter in kept] and len(wanted) - 1 - len(long) <= len(free):
            letters = (kept if size != 1 else free for size in wanted[1:])
            return replace(tensor, axes="n" + "".join([source.pop(0) for source in letters]))
        if len(wanted) == 2 and wanted[1] == prod(tensor.shape):
            return None
    raise Refused(
        f"it may flatten a map, or add and drop axes of size 1, but makes {_listed(wanted)} of {_shown(tensor)}"
    )


def _resolved(tensor: Tensor, dims: Sequence[int]) -> tuple[int, ...]:
    found = [
        tensor.dims[place] if size == 0 and place < len(tensor.dims) else int(size)
        for place, size in enumerate(dims)
    ]
    total, known = prod(tensor.dims), prod(size for size in found if size != -1)
    if found.count(-1) > 1 or not found or min(found) < -1 or known == 0 or total % known:
        raise Refused(f"{_listed(dims)} is no shape for {_shown(tensor)}")
    wanted = tuple(total // known if size == -1 else size for size in found)
    if prod(wanted) != total:
        raise Refused(f"{_listed(wanted)} is no shape for {_shown(tensor)}")
    return wanted


def flat_order(tensor: Tensor) -> npt.NDArray[np.int64] | None:
    """``order`` of the vector that a map becomes when the file flattens it; None where it is the graph's."""
    letters = [letter for letter in tensor.axes if letter != "n"]
    letters += [letter for letter in "hwc" if letter not in letters]
    places = np.arange(prod(tensor.shape)).reshape(tensor.sides)
    order = places.transpose(["hwc".index(letter) for letter in letters]).reshape(-1)
    if tensor.order is not None:
        order = tensor.order
    return None if np.array_equal(order, np.arange(order.size)) else order


def per_channel(numbers: Array, tensor: Tensor) -> npt.NDArray[np.float64]:
    """Numbers that the file broadcasts to ``tensor``, one for each channel of its node, float64 ``(channels,)``.

    Raises:
        Refused: they differ from pixel to pixel, or do not fit.
    """
    dims = (1,) * (len(tensor.axes) - numbers.ndim) + numbers.shape
    fits = len(dims) == len(tensor.axes) and all(
        size in (1, tensor.size(letter)) and (size == 1 or letter == "c")
        for size, letter in zip(dims, tensor.axes, strict=True)
    )
    if not fits:
        raise Refused(
            f"its constant must be one number or one per channel of {_shown(tensor)}, "
            f"found shape {_listed(numbers.shape)}"
        )
    found = np.broadcast_to(numbers.astype(np.float64).reshape(-1), (tensor.shape[-1],)).copy()
    if tensor.order is not None:
        found[tensor.order] = found.copy()
    return found


def upright(kernel: Array, sides: str, axis: int) -> Array:
    """``kernel`` with its sides, from ``axis`` on, in the order height, width; they are "hw", "wh", "h" or "w"."""
    if len(sides) == 1:
        return np.expand_dims(kernel, axis + 1 if sides == "h" else axis)
    return kernel.swapaxes(axis, axis + 1) if sides == "wh" else kernel


def _shown(tensor: Tensor) -> str:
    return f"{' × '.join(tensor.axes).upper()} = {_listed(tensor.dims)}"


def _listed(dims: Sequence[int]) -> str:
    return " × ".join("n" if size == OPEN else str(size) for size in dims) or "a single number"
