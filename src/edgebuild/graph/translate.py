"""Every supported Keras layer as nodes, one by one; making few of them is :mod:`edgebuild.graph.simplify`.

Between the two, weights are float64 and there is one more op: "affine", a scale
(kernel) and an offset (bias) for each entry of the last axis, both ``(channels,)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.graph.calls import Call, unique
from edgebuild.graph.ir import CHANNEL_AXIS, Node, Weight
from edgebuild.graph.supported import IDENTITIES, activation_of, constant_of, refusal

__all__ = ["translate"]

Doubles = npt.NDArray[np.float64]
Inputs = tuple[str, ...]
Shape = tuple[int, ...]
#: A name that no other node has, from the one wished for.
Fresh = Callable[[str], str]


def translate(calls: Sequence[Call]) -> list[Node]:
    """The nodes of supported ``calls``; the last one is the output.

    Raises:
        GraphError: a layer has weights or statistics that are not finite.
    """
    taken = {call.name for call in calls}
    holders: dict[str, str] = {}  # call → the node that holds its result
    nodes: list[Node] = []
    for call in calls:
        inputs = tuple(holders[name] for name in call.reads)
        made = _TRANSLATIONS[call.kind](call, inputs, lambda name: unique(name, taken))
        holders[call.name] = made[-1].name if made else inputs[0]
        nodes += made
    return nodes


def _activation(name: str, source: str, shape: Shape, function: str, fresh: Fresh) -> list[Node]:
    """The nodes of an activation function; the last one is called ``name``."""
    if function == "linear":
        return []
    if function == "silu":
        gate = Node(fresh(f"{name}_sigmoid"), "activation", (source,), shape, activation="sigmoid")
        return [gate, Node(name, "multiply", (source, gate.name), shape)]
    if function == "hard_sigmoid":  # relu6(x + 3) / 6
        moved = _affine(fresh(f"{name}_shift"), source, shape, 1, 3)
        clipped = Node(fresh(f"{name}_relu6"), "activation", (moved.name,), shape, activation="relu6")
        return [moved, clipped, _affine(name, clipped.name, shape, 1 / 6, 0)]
    return [Node(name, "activation", (source,), shape, activation=function)]


def _activated(call: Call, node: Node, fresh: Fresh) -> list[Node]:
    """``node``, and the activation that is part of its layer."""
    function = activation_of(call)
    name = "" if function == "linear" else fresh(f"{node.name}_{function}")
    return [node, *_activation(name, node.name, node.shape, function, fresh)]


def _affine(name: str, source: str, shape: Shape, scale: Any, offset: Any) -> Node:
    scale, offset = (np.asarray(numbers, np.float64).reshape(-1) for numbers in (scale, offset))
    weights = {
        "kernel": Weight(np.broadcast_to(scale, shape[-1:]).copy()),
        "bias": Weight(np.broadcast_to(offset, shape[-1:]).copy()),
    }
    return Node(name, "affine", (source,), shape, weights=weights)


def _input(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    del fresh
    return [Node(call.name, "input", inputs, call.shape)]


def _convolution(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    layer = call.operation
    op = "conv2d" if call.kind == "Conv2D" else "depthwise_conv2d"
    weights = _weights(call, op, layer.kernel, layer.bias)
    slide = {"strides": tuple(layer.strides), "padding": layer.padding}
    return _activated(call, Node(call.name, op, inputs, call.shape, weights=weights, **slide), fresh)


def _separable(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    """A depthwise convolution without bias, then a pointwise one (Chollet 2017, "Xception")."""
    layer = call.operation
    shape = (*call.shape[:2], call.input_shapes[0][2])
    depth = Node(
        fresh(f"{call.name}_depthwise"),
        "depthwise_conv2d",
        inputs,
        shape,
        strides=tuple(layer.strides),
        padding=layer.padding,
        weights=_weights(call, "depthwise_conv2d", layer.depthwise_kernel, None),
    )
    weights = _weights(call, "conv2d", layer.pointwise_kernel, layer.bias)
    return [
        depth,
        *_activated(call, Node(call.name, "conv2d", (depth.name,), call.shape, weights=weights), fresh),
    ]


def _dense(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    """A dense layer; on a map it is a 1×1 convolution."""
    layer = call.operation
    if len(call.shape) == 1:
        op, kernel = "dense", np.asarray(layer.kernel)
    else:
        op, kernel = "conv2d", np.asarray(layer.kernel)[None, None]
    return _activated(
        call, Node(call.name, op, inputs, call.shape, weights=_weights(call, op, kernel, layer.bias)), fresh
    )


def _weights(call: Call, op: str, kernel: Any, bias: Any) -> Mapping[str, Weight]:
    values = np.asarray(kernel, np.float64)
    axis = CHANNEL_AXIS[op]
    offset = np.zeros(values.shape[axis]) if bias is None else np.asarray(bias, np.float64)
    if not (np.isfinite(values).all() and np.isfinite(offset).all()):
        raise GraphError(refusal(call, "it has weights that are not finite; the training diverged"))
    return {"kernel": Weight(values, axis=axis), "bias": Weight(offset)}


def _batch_normalization(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    """Ioffe and Szegedy 2015, with the statistics of the training: an affine map at inference."""
    del fresh
    layer = call.operation
    gamma = np.asarray(layer.gamma, np.float64) if layer.scale else np.ones(call.shape[-1])
    beta = np.asarray(layer.beta, np.float64) if layer.center else np.zeros(call.shape[-1])
    mean, variance = (np.asarray(moving, np.float64) for moving in (layer.moving_mean, layer.moving_variance))
    if not (np.isfinite(gamma + beta + mean + variance).all() and (variance + layer.epsilon > 0).all()):
        raise GraphError(
            refusal(call, "its statistics are not finite or not positive; the training diverged")
        )
    factor = gamma / np.sqrt(variance + layer.epsilon)
    return [_affine(call.name, inputs[0], call.shape, factor, beta - mean * factor)]


def _rescaling(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    del fresh
    layer = call.operation
    return [_affine(call.name, inputs[0], call.shape, layer.scale, layer.offset)]


def _normalization(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    """Keras divides by the standard deviation, but by no less than its epsilon."""
    del fresh
    layer = call.operation
    mean = np.asarray(layer.mean, np.float64)
    deviation = np.maximum(np.sqrt(np.asarray(layer.variance, np.float64)), 1e-7)
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise GraphError(refusal(call, "its statistics are not finite; adapt it to other data"))
    scale, offset = (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)
    return [_affine(call.name, inputs[0], call.shape, scale, offset)]


def _arithmetic(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    """``x + c``, ``c - x``, ``x · c``, ``x / c``; of two tensors the sum and the product."""
    operation = call.kind.removeprefix("ops.")
    if (found := constant_of(call)) is None:
        return _chain(call, inputs, fresh, "add" if operation == "Add" else "multiply")
    constant, position = found
    scale: Any = 1
    offset: Any = 0
    if operation == "Add":
        offset = constant
    elif operation == "Subtract":
        scale, offset = (1, -constant) if position == 1 else (-1, constant)
    else:
        scale = constant if operation == "Multiply" else 1 / constant
    return [_affine(call.name, inputs[0], call.shape, scale, offset)]


def _chain(call: Call, inputs: Inputs, fresh: Fresh, op: str) -> list[Node]:
    """The sum or the product of two or more tensors, from the left, as Keras computes it."""
    nodes: list[Node] = []
    left, shape = inputs[0], call.input_shapes[0]
    for index, (right, other) in enumerate(zip(inputs[1:], call.input_shapes[1:], strict=True), start=2):
        shape = max(shape, other)  # (1, 1, channels) is less than any map of these channels
        name = call.name if index == len(inputs) else fresh(f"{call.name}_{index - 1}")
        nodes.append(Node(name, op, (left, right), shape))
        left = name
    return nodes


def _function(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    return _activation(call.name, inputs[0], call.shape, activation_of(call), fresh)


def _pool(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    del fresh
    layer = call.operation
    op = "max_pool" if call.kind == "MaxPooling2D" else "average_pool"
    window, strides = tuple(layer.pool_size), tuple(layer.strides)
    return [Node(call.name, op, inputs, call.shape, strides, layer.padding, window)]


def _global_max_pool(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    height, width, channels = call.input_shapes[0]
    window = (height, width)
    if len(call.shape) == 3:
        return [Node(call.name, "max_pool", inputs, call.shape, window, window=window)]
    pool = Node(fresh(f"{call.name}_map"), "max_pool", inputs, (1, 1, channels), window, window=window)
    return [pool, Node(call.name, "flatten", (pool.name,), call.shape)]


def _frame(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    del fresh
    layer = call.operation
    op, sides = ("pad", layer.padding) if call.kind == "ZeroPadding2D" else ("crop", layer.cropping)
    (top, bottom), (left, right) = sides
    if not any((top, bottom, left, right)):
        return []
    return [Node(call.name, op, inputs, call.shape, pads=((top, bottom), (left, right)))]


def _reshape(call: Call, inputs: Inputs, fresh: Fresh) -> list[Node]:
    del fresh
    if call.shape == call.input_shapes[0]:
        return []
    return [Node(call.name, "flatten" if len(call.shape) == 1 else "expand", inputs, call.shape)]


def _simple(op: str) -> Callable[[Call, Inputs, Fresh], list[Node]]:
    return lambda call, inputs, fresh: [Node(call.name, op, inputs, call.shape)]


#: kind of a call → its nodes; none, if it passes on what it reads.
_TRANSLATIONS: Mapping[str, Callable[[Call, Inputs, Fresh], list[Node]]] = {
    "InputLayer": _input,
    **dict.fromkeys(("Conv2D", "DepthwiseConv2D"), _convolution),
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_normalization,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "Add": lambda call, inputs, fresh: _chain(call, inputs, fresh, "add"),
    "Multiply": lambda call, inputs, fresh: _chain(call, inputs, fresh, "multiply"),
    "Concatenate": _simple("concat"),
    **dict.fromkeys(("MaxPooling2D", "AveragePooling2D"), _pool),
    "GlobalAveragePooling2D": _simple("global_average_pool"),
    "GlobalMaxPooling2D": _global_max_pool,
    **dict.fromkeys(("ZeroPadding2D", "Cropping2D"), _frame),
    **dict.fromkeys(("Flatten", "Reshape"), _reshape),
    **dict.fromkeys(("ReLU", "Softmax", "Activation"), _function),
    **dict.fromkeys(("ops.Add", "ops.Subtract", "ops.Multiply", "ops.TrueDivide", "ops.Divide"), _arithmetic),
    **dict.fromkeys(IDENTITIES, lambda call, inputs, fresh: []),
    **dict.fromkeys(
        (
            "ops.Relu",
            "ops.Relu6",
            "ops.Sigmoid",
            "ops.Tanh",
            "ops.Silu",
            "ops.HardSilu",
            "ops.HardSigmoid",
            "ops.Softmax",
        ),
        _function,
    ),
}
