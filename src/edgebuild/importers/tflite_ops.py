"""What each operator of TFLite is in the graph; maps are NHWC, kernels (out, kh, kw, in)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.importers.common import (
    Call,
    Translation,
    arithmetic,
    constant,
    cropped,
    mean,
    shaped,
    squeezed,
    tensor,
    unsqueezed,
)
from edgebuild.importers.layout import Refused, Tensor, arranged, transposed, upright
from edgebuild.importers.network import Network, Pads

__all__ = ["FOLDED", "OPERATORS", "fused"]

Array = npt.NDArray[Any]
Pair = tuple[int, int]

#: Axes of maps: upright or on their side, as a convolution over time makes them.
MAPS = ("nhwc", "nwhc")
_NOTHING = ((0, 0), (0, 0))
#: The codes of ``Padding`` and of ``ActivationFunctionType`` in the schema.
_SAME = 0
#: Its tanh is left out: LiteRT computes an operator that has it without it.
_FUNCTIONS = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}


def fused(net: Network, name: str, made: Tensor, code: int) -> Tensor:
    """``made`` behind the activation that is part of its operator."""
    function = _FUNCTIONS.get(code)
    if function is None:
        raise Refused(f"its activation, number {code} of the schema, is not supported")
    if function == "none":
        return made
    if function == "relu_n1_to_1":
        return net.clipped(f"{name}_clip", made, -1.0, 1.0)
    return net.activation(f"{name}_{function}", made, function)


def _map(call: Call) -> Tensor:
    return arranged(tensor(call), *MAPS)


def _slide(call: Call, x: Tensor) -> tuple[Pair, Pads]:
    factors = {call.attributes.get(f"dilation{side}Factor", 1) for side in "HW"}
    if factors != {1}:
        raise Refused(f"dilations must be 1, found {sorted(factors)}")
    pads: Pads = "same" if call.attributes["padding"] == _SAME else _NOTHING
    return _sides(x, call.attributes["strideH"], call.attributes["strideW"]), pads


def _sides(x: Tensor, first: int, second: int) -> Pair:
    """Numbers for the two sides of the file as (height, width)."""
    return (second, first) if x.axes[1] == "w" else (first, second)


def _bias(call: Call) -> Array | None:
    return None if call.input(2) is None else constant(call, 2)


def _convolution(net: Network, call: Call) -> Tensor:
    x = _map(call)
    strides, pads = _slide(call, x)
    kernel = upright(constant(call, 1), x.axes[1:3], 1)
    if kernel.ndim != 4 or kernel.shape[3] != x.size("c"):
        raise Refused(
            f"its kernel {kernel.shape} does not read {x.size('c')} channels; groups are not supported"
        )
    return net.conv2d(call.name, x, kernel.transpose(1, 2, 3, 0), _bias(call), strides, pads)


def _depthwise(net: Network, call: Call) -> Tensor:
    x = _map(call)
    strides, pads = _slide(call, x)
    kernel = upright(constant(call, 1), x.axes[1:3], 1).transpose(1, 2, 3, 0)  # (kh, kw, outputs, 1)
    if x.size("c") == 1:
        return net.conv2d(call.name, x, kernel.swapaxes(2, 3), _bias(call), strides, pads)
    if kernel.shape[2] != x.size("c"):
        raise Refused(f"it makes {kernel.shape[2]} channels of {x.size('c')}; depth_multiplier must be 1")
    return net.depthwise(call.name, x, kernel, _bias(call), strides, pads)


def _dense(net: Network, call: Call) -> Tensor:
    x = tensor(call)
    kernel = constant(call, 1).T
    if not call.attributes.get("keepNumDims", False) and len(x.axes) > 2:
        x = net.flat(f"{call.name}_flat", x)
    return net.dense(call.name, x, kernel, _bias(call))


def _matmul(net: Network, call: Call) -> Tensor:
    kernel = constant(call, 1)
    if call.attributes.get("adjX", False):
        raise Refused("it must not transpose what it reads")
    kernel = kernel.reshape(kernel.shape[-2:])
    return net.dense(
        call.name, tensor(call), kernel.T if call.attributes.get("adjY", False) else kernel, None
    )


def _pool(op: str) -> Translation:
    def pool(net: Network, call: Call) -> Tensor:
        x = _map(call)
        strides, pads = _slide(call, x)
        window = _sides(x, call.attributes["filterHeight"], call.attributes["filterWidth"])
        return net.pool(call.name, op, x, window, strides, pads)

    return pool


def _mean(net: Network, call: Call) -> Tensor:
    axes = [int(axis) for axis in np.ravel(constant(call, 1))]
    return mean(net, call, axes, bool(call.attributes.get("keepDims", False)))


def _pad(net: Network, call: Call) -> Tensor:
    x = tensor(call)
    sides = constant(call, 1).astype(int).tolist()
    if len(sides) != len(x.axes) or (call.input(2) is not None and np.any(constant(call, 2))):
        raise Refused(f"it must pad every axis with zeros, found {sides}")
    pads = {letter: (before, after) for letter, (before, after) in zip(x.axes, sides, strict=True)}
    if any(any(pads[letter]) for letter in "nc"):
        raise Refused(f"it must pad height and width only, found {sides} for {x.dims}")
    return net.padded(call.name, x, (pads.get("h", (0, 0)), pads.get("w", (0, 0))))


def _arithmetic(op: str) -> Translation:
    return lambda net, call: arithmetic(net, replace(call, op=op))


def _activation(function: str) -> Translation:
    return lambda net, call: net.activation(call.name, tensor(call), function)


def _softmax(net: Network, call: Call) -> Tensor:
    if call.attributes.get("beta", 1.0) != 1.0 or tensor(call).axes[-1:] != "c":
        raise Refused("it must be along the channels, with beta 1")
    return net.activation(call.name, tensor(call), "softmax")


def _concat(net: Network, call: Call) -> Tensor:
    tensors = [tensor(call, place) for place in range(len(call.inputs))]
    return net.concat(call.name, tensors, call.attributes["axis"])


def _numbers(call: Call, place: int) -> list[int]:
    return [int(number) for number in np.ravel(constant(call, place))]


def _reshape(net: Network, call: Call) -> Tensor:
    stated = call.attributes.get("newShape")
    dims = (
        _numbers(call, 1) if call.input(1) is not None else [] if stated is None else list(map(int, stated))
    )
    if 0 in dims:
        raise Refused(f"it makes an empty tensor: {dims}")
    return shaped(net, call, dims)


def _squeeze(net: Network, call: Call) -> Tensor:
    axes = call.attributes.get("squeezeDims")
    return squeezed(net, call, None if axes is None else list(map(int, axes)))


def _same(net: Network, call: Call) -> Tensor:
    del net
    return tensor(call)


def _crop(net: Network, call: Call) -> Tensor:
    attributes = call.attributes
    if any(attributes.get(f"{name}Mask", 0) for name in ("ellipsis", "newAxis", "shrinkAxis")):
        raise Refused("it may cut off pixels, but not add or drop axes")
    begin, end, step = (_numbers(call, place) for place in (1, 2, 3))
    runs = {
        axis: slice(
            None if attributes.get("beginMask", 0) >> axis & 1 else begin[axis],
            None if attributes.get("endMask", 0) >> axis & 1 else end[axis],
            step[axis],
        )
        for axis in range(len(begin))
    }
    if tensor(call).axes[:1] == "n" and runs.get(0, slice(None)).stop in (None, 1, -1):
        runs.pop(0, None)  # the whole batch, which is one image while a file with an open batch is converted
    return cropped(net, call, runs)


def _slice(net: Network, call: Call) -> Tensor:
    begin, size = _numbers(call, 1), _numbers(call, 2)
    ends = (None if many == -1 else first + many for first, many in zip(begin, size, strict=True))
    runs = {axis: slice(first, end) for axis, (first, end) in enumerate(zip(begin, ends, strict=True))}
    return cropped(net, call, runs)


def _strided_slice(values: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    """Of a shape: one number or a run of them."""
    shape, begin, end, step = (np.ravel(value) for value in values)
    masks = {name: bool(attributes.get(f"{name}Mask", 0)) for name in ("begin", "end", "shrinkAxis")}
    if len(begin) != 1:
        raise Refused("only shapes are sliced")
    if masks["shrinkAxis"]:
        return np.asarray(shape[begin[0]])
    start = None if masks["begin"] else int(begin[0])
    return shape[start : None if masks["end"] else int(end[0]) : int(step[0])]


#: What is computed where all that an operator reads is constant, from the values and the attributes.
FOLDED: Mapping[str, Callable[[Sequence[Array], Mapping[str, Any]], Array]] = {
    "DEQUANTIZE": lambda values, attributes: values[0].astype(np.float32),
    "STRIDED_SLICE": _strided_slice,
    "PACK": lambda values, attributes: np.stack(values, axis=attributes.get("axis", 0)),
    "CONCATENATION": lambda values, attributes: np.concatenate(values, axis=attributes.get("axis", 0)),
    "RESHAPE": lambda values, attributes: values[0].reshape(values[1].reshape(-1)),
    "TRANSPOSE": lambda values, attributes: values[0].transpose(values[1].reshape(-1)),
    "GATHER": lambda values, attributes: values[0].take(values[1], axis=attributes.get("axis", 0)),
    "CAST": lambda values, attributes: values[0],
    "MUL": lambda values, attributes: np.asarray(values[0] * values[1]),
    "ADD": lambda values, attributes: np.asarray(values[0] + values[1]),
    "REDUCE_PROD": lambda values, attributes: np.asarray(np.prod(values[0])),
}

OPERATORS: Mapping[str, Translation] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _matmul,
    "MAX_POOL_2D": _pool("max_pool"),
    "AVERAGE_POOL_2D": _pool("average_pool"),
    "MEAN": _mean,
    **dict.fromkeys(("PAD", "PADV2"), _pad),
    "ADD": _arithmetic("Add"),
    "SUB": _arithmetic("Sub"),
    "MUL": _arithmetic("Mul"),
    "DIV": _arithmetic("Div"),
    "RELU": _activation("relu"),
    "RELU6": _activation("relu6"),
    "RELU_N1_TO_1": lambda net, call: net.clipped(call.name, tensor(call), -1.0, 1.0),
    "RELU_0_TO_1": lambda net, call: net.clipped(call.name, tensor(call), 0.0, 1.0),
    "LOGISTIC": _activation("sigmoid"),
    "TANH": _activation("tanh"),
    "HARD_SWISH": _activation("hard_silu"),
    "SOFTMAX": _softmax,
    "LOG_SOFTMAX": _activation("log_softmax"),
    "CONCATENATION": _concat,
    "RESHAPE": _reshape,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": lambda net, call: unsqueezed(net, call, _numbers(call, 1)),
    "TRANSPOSE": lambda net, call: transposed(tensor(call), _numbers(call, 1)),
    "STRIDED_SLICE": _crop,
    "SLICE": _slice,
    "CAST": _same,
}
