"""ONNX's operators on the sides of maps: Conv, MaxPool, AveragePool, Pad, Slice; in two dimensions and in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgebuild.graph.ir import same_padding
from edgebuild.importers.common import Call, Translation, constant, cropped, tensor
from edgebuild.importers.layout import Refused, Tensor, arranged, upright
from edgebuild.importers.network import Network, Pads
from edgebuild.importers.onnx_ops import MAPS, integers

__all__ = ["WINDOWS", "refusals"]

Pair = tuple[int, int]


def _convolution(net: Network, call: Call) -> Tensor:
    x = arranged(tensor(call), *MAPS)
    kernel = constant(call, 1)
    if kernel.ndim != len(x.axes) or x.size("c") != kernel.shape[1] * call.attributes.get("group", 1):
        raise Refused(f"its kernel {kernel.shape} does not fit what it reads, {x.dims}")
    strides, pads = _slide(call, x, kernel.shape[2:])
    kernel = upright(kernel, x.axes[2:], 2)
    bias = None if call.input(2) is None else constant(call, 2)
    if found := refusals(call.attributes, x.size("c"), kernel.shape[0]):
        raise Refused("; ".join(found))
    if call.attributes.get("group", 1) == 1:
        return net.conv2d(call.name, x, kernel.transpose(2, 3, 1, 0), bias, strides, pads)
    return net.depthwise(call.name, x, kernel.transpose(2, 3, 0, 1), bias, strides, pads)


def refusals(attributes: Mapping[str, Any], channels: int, outputs: int) -> list[str]:
    """What a convolution of ``channels`` to ``outputs`` has that the graph does not."""
    found = []
    if set(attributes.get("dilations", (1,))) - {1}:
        found.append(f"dilations must be 1, found {list(attributes['dilations'])}")
    groups = attributes.get("group", 1)
    if groups != 1 and not groups == channels == outputs:
        found.append(
            f"its {channels} channels are in {groups} groups and become {outputs}; group must be 1, or there must be "
            f"one group for each channel (depthwise, with as many outputs)"
        )
    return found


def _slide(call: Call, x: Tensor, window: Sequence[int]) -> tuple[Pair, Pads]:
    """Strides and padding of a window of this size, after refusing what the graph does not have."""
    sides = len(window)
    if set(call.attributes.get("dilations", (1,))) - {1}:
        raise Refused(f"dilations must be 1, found {list(call.attributes['dilations'])}")
    strides = tuple(call.attributes.get("strides", (1,) * sides))
    how = call.attributes.get("auto_pad", b"NOTSET").decode()
    pads = tuple(call.attributes.get("pads", (0,) * 2 * sides))
    if how == "SAME_UPPER":
        return _pair(x, strides, 1), "same"
    lengths = [x.size(letter) for letter in x.axes[2:]]
    if how == "SAME_LOWER":  # the odd pixel goes to the top and the left
        spare = [
            max((-(-length // stride) - 1) * stride + side - length, 0)
            for length, stride, side in zip(lengths, strides, window, strict=True)
        ]
        pads = (*(-(-total // 2) for total in spare), *(total // 2 for total in spare))
    elif how not in ("NOTSET", "VALID"):
        raise Refused(f"auto_pad {how!r} is not known")
    if min(pads) < 0:
        raise Refused(f"its pads cannot be negative, found {list(pads)}")
    if call.attributes.get("ceil_mode", 0):
        pads = _ceiled(call, lengths, window, strides, pads)
    before, after = _pair(x, pads[:sides], 0), _pair(x, pads[sides:], 0)
    return _pair(x, strides, 1), ((before[0], after[0]), (before[1], after[1]))


def _ceiled(
    call: Call, lengths: Sequence[int], window: Sequence[int], strides: Sequence[int], pads: Sequence[int]
) -> tuple[int, ...]:
    """``pads`` with what ceil_mode adds at the end of each side: a last window that begins inside the map.

    The rule is PyTorch's, of ``torch.nn.MaxPool2d``.
    """
    sides, ends = len(window), []
    for place, (length, side, stride) in enumerate(zip(lengths, window, strides, strict=True)):
        span = length + pads[place] + pads[place + sides] - side
        begins = -(-span // stride) * stride
        ends.append(-span % stride if begins < length + pads[place] else 0)
    if any(ends) and call.op != "MaxPool":
        raise Refused(
            f"ceil_mode gives another size than floor on {lengths}; pool with ceil_mode=False, or resize the images"
        )
    return (*pads[:sides], *(pad + end for pad, end in zip(pads[sides:], ends, strict=True)))


def _pair(x: Tensor, values: Sequence[int], default: int) -> Pair:
    """Values for the sides of the file, as (height, width)."""
    found = dict(zip(x.axes[2:], map(int, values), strict=True))
    return found.get("h", default), found.get("w", default)


def _pool(net: Network, call: Call) -> Tensor:
    x = arranged(tensor(call), *MAPS)
    window = call.attributes["kernel_shape"]
    strides, pads = _slide(call, x, window)
    op = "max_pool" if call.op == "MaxPool" else "average_pool"
    counted = bool(call.attributes.get("count_include_pad", 0))
    if op == "average_pool" and pads == "same" and counted:
        raise Refused("it counts the padding of auto_pad in the mean; write the padding as pads")
    if op == "average_pool" and pads != "same" and any(map(any, pads)) and not counted:
        sides = zip(x.sides[:2], _pair(x, window, 1), strides, strict=True)
        if pads != tuple(same_padding(*side) for side in sides):
            raise Refused(
                "it leaves padding out of the mean; average with count_include_pad=True, or without padding"
            )
        pads = "same"
    return net.pool(call.name, op, x, _pair(x, window, 1), strides, pads)


def _global_max(net: Network, call: Call) -> Tensor:
    x = arranged(tensor(call), *MAPS)
    window = x.sides[:2]
    return net.pool(call.name, "max_pool", x, window, window, ((0, 0), (0, 0)))


def _pad(net: Network, call: Call) -> Tensor:
    x = tensor(call)
    mode = call.attributes.get("mode", b"constant").decode()
    filling = call.attributes.get("value", 0.0) if call.input(2) is None else constant(call, 2)
    if mode != "constant" or np.any(filling):
        raise Refused(f"it must pad with zeros, found mode {mode!r} with {filling}")
    sides = integers(call, "pads", 1) or []
    axes = integers(call, "axes", 3) if call.input(3) is not None else list(range(len(x.axes)))
    if axes is None or len(sides) != 2 * len(axes):
        raise Refused(f"it must have two pads for each axis, found {sides}")
    pads = {x.axes[axis]: (sides[place], sides[place + len(axes)]) for place, axis in enumerate(axes)}
    if any(any(pads.get(letter, (0, 0))) for letter in "nc"):
        raise Refused(f"it must pad height and width only, found pads {sides} for {x.dims}")
    return net.padded(call.name, x, (pads.get("h", (0, 0)), pads.get("w", (0, 0))))


def _slice(net: Network, call: Call) -> Tensor:
    starts, ends = integers(call, "starts", 1) or [], integers(call, "ends", 2) or []
    axes, steps = (
        integers(call, "axes", 3) or list(range(len(starts))),
        integers(call, "steps", 4) or [1] * len(starts),
    )
    runs = zip(starts, ends, steps, strict=True)
    return cropped(net, call, dict(zip(axes, (slice(*run) for run in runs), strict=True)))


WINDOWS: Mapping[str, Translation] = {
    "Conv": _convolution,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalMaxPool": _global_max,
    "Pad": _pad,
    "Slice": _slice,
}
