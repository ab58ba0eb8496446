"""What operators of ONNX and of TFLite have in common: how one is called, arithmetic, shapes, means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from edgebuild.importers.layout import Refused, Tensor, per_channel, reshaped
from edgebuild.importers.network import Network

__all__ = [
    "Call",
    "Translation",
    "Value",
    "arithmetic",
    "constant",
    "cropped",
    "mean",
    "shaped",
    "squeezed",
    "tensor",
]
__all__ += ["unsqueezed"]

Array = npt.NDArray[Any]
Value = Tensor | Array | None


@dataclass(frozen=True)
class Call:
    """One operator: what it reads, in order, its attributes, and the version of its meaning (ONNX's opset)."""

    name: str
    op: str
    inputs: Sequence[Value]
    attributes: Mapping[str, Any]
    opset: int

    def input(self, place: int) -> Value:
        return self.inputs[place] if place < len(self.inputs) else None


Translation = Callable[[Network, Call], Tensor]


def tensor(call: Call, place: int = 0) -> Tensor:
    """An input that must be computed by the network."""
    value = call.input(place)
    if not isinstance(value, Tensor):
        raise Refused(f"its input {place} must be computed from the image, but is a constant or missing")
    return value


def constant(call: Call, place: int) -> Array:
    """An input that must be a constant."""
    value = call.input(place)
    if isinstance(value, Tensor) or value is None:
        raise Refused(f"its input {place} must be a constant, but is computed by the network or missing")
    return value


def arithmetic(net: Network, call: Call) -> Tensor:
    """Add, Sub, Mul or Div of two tensors, or of one and numbers per channel."""
    first, second = call.input(0), call.input(1)
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        if call.op not in ("Add", "Mul"):
            raise Refused("between two tensors only Add and Mul are supported")
        join = net.add if call.op == "Add" else net.multiply
        return join(call.name, first, second)
    place = 0 if isinstance(first, Tensor) else 1
    x = tensor(call, place)
    numbers = per_channel(constant(call, 1 - place), x)
    if call.op == "Add":
        return net.affine(call.name, x, 1, numbers)
    if call.op == "Sub":
        return net.affine(call.name, x, 1 - 2 * place, numbers * (2 * place - 1))
    if call.op == "Mul":
        return net.affine(call.name, x, numbers, 0)
    if place == 1 or not numbers.all():
        raise Refused("a tensor can be divided by a constant other than 0, not a constant by a tensor")
    return net.affine(call.name, x, 1 / numbers, 0)


def shaped(net: Network, call: Call, dims: Sequence[int]) -> Tensor:
    """The tensor in another shape, ``dims`` with the batch."""
    x = tensor(call)
    made = reshaped(x, dims)
    return net.flat(call.name, x) if made is None else made


def squeezed(net: Network, call: Call, axes: Sequence[int] | None) -> Tensor:
    """Without ``axes``, of size 1; without all such axes if they are not told."""
    dims = tensor(call).dims
    gone = axes or [place for place, size in enumerate(dims) if size == 1]
    gone = [axis % len(dims) for axis in gone]
    return shaped(net, call, [size for place, size in enumerate(dims) if place not in gone])


def unsqueezed(net: Network, call: Call, axes: Sequence[int]) -> Tensor:
    """With ``axes`` of size 1 more; they count in the result."""
    dims = list(tensor(call).dims)
    for axis in sorted(axis % (len(dims) + len(axes)) for axis in axes):
        dims.insert(axis, 1)
    return shaped(net, call, dims)


def mean(net: Network, call: Call, axes: Sequence[int], keep: bool) -> Tensor:
    """The mean over height and width; axes of size 1 may be among them, or be left out."""
    x = tensor(call)
    rank = len(x.axes)
    letters = {x.axes[axis] for axis in axes}
    open_sides = {letter for letter in "hw" if x.size(letter) > 1}
    if "n" in letters or ("c" in letters and x.size("c") > 1) or open_sides - letters:
        raise Refused(f"it must be the mean over height and width, but is over axes {list(axes)} of {x.dims}")
    made = net.global_average(call.name, x)
    if keep:
        return made
    gone = {axis % rank for axis in axes}
    return replace(made, axes="".join(letter for place, letter in enumerate(x.axes) if place not in gone))


def cropped(net: Network, call: Call, runs: Mapping[int, slice]) -> Tensor:
    """The pixels within ``runs``, one for each axis of the file that is cut."""
    x = tensor(call)
    pads = {"h": (0, 0), "w": (0, 0)}
    for axis, run in runs.items():
        letter, size = x.axes[axis], x.dims[axis]
        start, stop, step = run.indices(size)
        if (start, stop) == (0, size) and step == 1:
            continue
        if letter not in pads or step != 1 or stop <= start:
            raise Refused(
                f"it may cut off pixels at the sides of a map, but takes {run} of axis {axis} of {x.dims}"
            )
        pads[letter] = (-start, stop - size)
    return net.padded(call.name, x, (pads["h"], pads["w"]))
