"""What each operator of ONNX is in the graph: https://onnx.ai/onnx/operators, opsets 9 to 23.

A translation gets what the operator reads, tensors and constants, and returns
the tensor that it makes. Windows are in :mod:`.onnx_windows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.importers.common import (
    Call,
    Translation,
    arithmetic,
    constant,
    mean,
    shaped,
    squeezed,
    tensor,
    unsqueezed,
)
from edgebuild.importers.layout import Refused, Tensor, arranged, per_channel, transposed
from edgebuild.importers.network import Network

__all__ = ["MAPS", "OPERATORS", "integers"]

Array = npt.NDArray[Any]

#: Axes of what convolutions and poolings read: two-dimensional (upright or on its side), or with one side left out.
MAPS = ("nchw", "ncwh", "nch", "ncw")


def integers(call: Call, name: str, place: int) -> list[int] | None:
    """Integers that are an attribute in early opsets and an input in later ones; None if neither is there."""
    if name in call.attributes:
        return [int(number) for number in np.ravel(call.attributes[name])]
    return None if call.input(place) is None else [int(number) for number in np.ravel(constant(call, place))]


def _same(net: Network, call: Call) -> Tensor:
    del net
    return tensor(call)


def _dropout(net: Network, call: Call) -> Tensor:
    if call.input(2) is not None and np.any(constant(call, 2)):
        raise Refused("it drops at inference; export the model in evaluation mode")
    return _same(net, call)


def _cast(net: Network, call: Call) -> Tensor:
    if call.attributes.get("to") != 1:
        raise Refused("it changes the type of a tensor; only float32 networks are read")
    return _same(net, call)


def _activation(function: str) -> Translation:
    return lambda net, call: net.activation(call.name, tensor(call), function)


def _softmax(net: Network, call: Call) -> Tensor:
    x = tensor(call)
    axis = call.attributes.get("axis", -1 if call.opset >= 13 else 1)
    if x.axes[axis] != "c":
        raise Refused(f"it must be along the channels, but is along axis {axis} of {x.dims}")
    return net.activation(call.name, x, "softmax" if call.op == "Softmax" else "log_softmax")


def _clip(net: Network, call: Call) -> Tensor:
    bounds = []
    for place, (name, default) in enumerate((("min", -np.inf), ("max", np.inf)), start=1):
        value = call.attributes.get(name, default)
        bounds.append(float(value if call.input(place) is None else constant(call, place).reshape(-1)[0]))
    low, high = (np.sign(b) * np.inf if abs(b) >= np.finfo(np.float32).max else b for b in bounds)
    return net.clipped(call.name, tensor(call), low, high)


def _hard_sigmoid(net: Network, call: Call) -> Tensor:
    alpha, beta = call.attributes.get("alpha", 0.2), call.attributes.get("beta", 0.5)
    alpha = 1 / 6 if np.float32(alpha) == np.float32(1 / 6) else alpha
    return net.clipped(call.name, net.affine(f"{call.name}_in", tensor(call), alpha, beta), 0.0, 1.0)


def _batch_normalization(net: Network, call: Call) -> Tensor:
    """Ioffe and Szegedy 2015 at inference: an affine map, folded into the layer before it."""
    if call.attributes.get("training_mode", 0):
        raise Refused("it is in training mode; export the model in evaluation mode")
    x = tensor(call)
    if x.axes[1:2] != "c":
        raise Refused(f"it must normalize the channels, but axis 1 of {x.dims} is another one")
    gamma, beta, mean, variance = (constant(call, place).astype(np.float64) for place in range(1, 5))
    spread = variance + call.attributes.get("epsilon", 1e-5)
    if not (spread > 0).all():
        raise Refused("its variance is not positive; the training diverged")
    factor = gamma / np.sqrt(spread)
    shape = (-1, *(1,) * (len(x.axes) - 2))
    scale, offset = (per_channel(values.reshape(shape), x) for values in (factor, beta - mean * factor))
    return net.affine(call.name, x, scale, offset)


def _gemm(net: Network, call: Call) -> Tensor:
    if call.attributes.get("transA", 0):
        raise Refused("it must not transpose what it reads")
    kernel = constant(call, 1).astype(np.float64) * call.attributes.get("alpha", 1.0)
    kernel = kernel.T if call.attributes.get("transB", 0) else kernel
    bias = None
    if call.input(2) is not None:
        numbers = constant(call, 2).astype(np.float64).reshape(-1) * call.attributes.get("beta", 1.0)
        bias = np.broadcast_to(numbers, (kernel.shape[1],))
    return net.dense(call.name, tensor(call), kernel, bias)


def _matmul(net: Network, call: Call) -> Tensor:
    kernel = constant(call, 1)
    if kernel.ndim != 2:
        raise Refused(f"it must multiply by a matrix, found a constant of shape {kernel.shape}")
    return net.dense(call.name, tensor(call), kernel, None)


def _concat(net: Network, call: Call) -> Tensor:
    tensors = [tensor(call, place) for place in range(len(call.inputs))]
    return net.concat(call.name, tensors, call.attributes["axis"])


def _transpose(net: Network, call: Call) -> Tensor:
    del net
    x = tensor(call)
    return transposed(x, call.attributes.get("perm", range(len(x.axes))[::-1]))


def _reshape(net: Network, call: Call) -> Tensor:
    dims = integers(call, "shape", 1) or []
    if call.attributes.get("allowzero", 0) and 0 in dims:
        raise Refused(f"it makes an empty tensor: allowzero with {dims}")
    return shaped(net, call, dims)


def _flatten(net: Network, call: Call) -> Tensor:
    x = tensor(call)
    if call.attributes.get("axis", 1) not in (1, 1 - len(x.axes)):
        raise Refused(f"it must flatten all axes but the batch, found axis {call.attributes['axis']}")
    return shaped(net, call, (x.batch, -1))


def _squeeze(net: Network, call: Call) -> Tensor:
    return squeezed(net, call, integers(call, "axes", 1))


def _unsqueeze(net: Network, call: Call) -> Tensor:
    return unsqueezed(net, call, integers(call, "axes", 1) or [])


def _mean(net: Network, call: Call) -> Tensor:
    axes = integers(call, "axes", 1) or list(range(len(tensor(call).axes)))
    return mean(net, call, axes, bool(call.attributes.get("keepdims", 1)))


def _global_average(net: Network, call: Call) -> Tensor:
    return net.global_average(call.name, arranged(tensor(call), *MAPS))


OPERATORS: Mapping[str, Translation] = {
    "Identity": _same,
    "Dropout": _dropout,
    "Cast": _cast,
    "Relu": _activation("relu"),
    "Sigmoid": _activation("sigmoid"),
    "Tanh": _activation("tanh"),
    "HardSwish": _activation("hard_silu"),
    "HardSigmoid": _hard_sigmoid,
    "Clip": _clip,
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    "BatchNormalization": _batch_normalization,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), arithmetic),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Concat": _concat,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "ReduceMean": _mean,
    "GlobalAveragePool": _global_average,
}
