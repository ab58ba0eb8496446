"""From a trained Keras model to the inference graph.

Batch normalization is folded into the convolution or dense layer before it
(Jacob et al. 2018, section 3.2), ReLU becomes part of the layer that it
follows, and layers that do nothing at inference disappear. A layer outside the
supported set is refused by name; nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.graph.ir import CHANNEL_AXIS, Graph, Node, Weight

__all__ = ["freeze"]

IDENTITIES = ("Dropout", "SpatialDropout2D", "GaussianNoise", "ActivityRegularization")
SUPPORTED = (
    "InputLayer, Conv2D, DepthwiseConv2D, Dense, BatchNormalization, ReLU, Activation('relu'|'relu6'), Add, "
    "GlobalAveragePooling2D, Flatten, " + ", ".join(IDENTITIES)
)


def freeze(model: Any, labels: tuple[str, ...]) -> Graph:
    """The fp32 graph of a functional Keras model with one input and one output of logits.

    Raises:
        GraphError: a layer that the graph cannot hold, named with its type and what to do.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise GraphError(
            f"model {model.name!r} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            f"export a model with one of each"
        )
    nodes: dict[str, Node] = {}
    alias: dict[str, str] = {}  # layer → the node that holds its result
    for layer in model.layers:
        if len(layer._inbound_nodes) != 1:
            raise GraphError(_refusal(layer, "it is used more than once; give every use a layer of its own"))
        inputs = tuple(alias[name] for name in _inputs(layer))
        kind = type(layer).__name__
        if kind == "BatchNormalization":
            node = _fold(nodes[inputs[0]], layer, _readers(model, layer))
        elif (activation := _activation(layer)) is not None:
            node = _fuse(nodes[inputs[0]], activation, layer, _readers(model, layer))
        elif kind in IDENTITIES:
            alias[layer.name] = inputs[0]
            continue
        else:
            node = _translate(layer, kind, inputs)
        nodes[node.name] = node
        alias[layer.name] = node.name
    result = alias[model.outputs[0]._keras_history.operation.name]
    nodes[result] = nodes.pop(result)  # the output comes last, whatever order Keras lists the layers in
    return Graph(tuple(nodes.values()), "fp32", labels)


def _inputs(layer: Any) -> list[str]:
    if type(layer).__name__ == "InputLayer":
        return []
    tensors = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in tensors]


def _readers(model: Any, layer: Any) -> int:
    """How many layers read what ``layer`` reads: one, if it may be folded away."""
    (source,) = _inputs(layer)
    return sum(source in _inputs(other) for other in model.layers)


def _activation(layer: Any) -> str | None:
    """The name of the activation that ``layer`` is, if it is one."""
    kind = type(layer).__name__
    if kind == "ReLU":
        if layer.negative_slope or layer.threshold or layer.max_value not in (None, 6.0):
            raise GraphError(
                _refusal(layer, "only a plain ReLU and one with max_value=6 exist on every runtime")
            )
        return "relu6" if layer.max_value else "relu"
    if kind == "Activation":
        return _activation_name(layer)
    return None


def _activation_name(layer: Any) -> str:
    name = str(layer.activation.__name__)
    if name not in ("linear", "relu", "relu6"):
        raise GraphError(_refusal(layer, f"activation {name!r} is not relu or relu6"))
    return "none" if name == "linear" else name


def _translate(layer: Any, kind: str, inputs: tuple[str, ...]) -> Node:
    shape = tuple(layer.output.shape[1:])
    if None in shape:
        raise GraphError(
            _refusal(layer, f"its output shape {shape} is not fixed; give the model a fixed input")
        )
    if kind == "InputLayer":
        return Node(layer.name, "input", (), shape)
    if kind in ("Conv2D", "DepthwiseConv2D"):
        return _convolution(layer, kind, inputs, shape)
    if kind == "Dense":
        if len(layer.input.shape) != 2:
            raise GraphError(_refusal(layer, "its input is not flat; put Flatten before it"))
        weights = _weights(layer, layer.kernel, layer.units, axis=1)
        return Node(layer.name, "dense", inputs, shape, activation=_activation_name(layer), weights=weights)
    if kind == "Add" and len(inputs) == 2 and len({tuple(t.shape) for t in layer.input}) == 1:
        return Node(layer.name, "add", inputs, shape)
    if kind == "GlobalAveragePooling2D" and not layer.keepdims:
        return Node(layer.name, "global_average_pool", inputs, shape)
    if kind == "Flatten":
        return Node(layer.name, "flatten", inputs, shape)
    raise GraphError(_refusal(layer, f"supported are {SUPPORTED}"))


def _convolution(layer: Any, kind: str, inputs: tuple[str, ...], shape: tuple[int, ...]) -> Node:
    depthwise = kind == "DepthwiseConv2D"
    if tuple(layer.dilation_rate) != (1, 1) or layer.data_format != "channels_last":
        raise GraphError(_refusal(layer, "dilation and channels_first are not supported"))
    if depthwise and layer.depth_multiplier != 1:
        raise GraphError(_refusal(layer, "depth_multiplier must be 1"))
    if not depthwise and layer.groups != 1:
        raise GraphError(_refusal(layer, "groups must be 1; use DepthwiseConv2D for depthwise convolutions"))
    op = "depthwise_conv2d" if depthwise else "conv2d"
    return Node(
        name=layer.name,
        op=op,
        inputs=inputs,
        shape=shape,
        strides=tuple(layer.strides),
        padding=layer.padding,
        activation=_activation_name(layer),
        weights=_weights(layer, layer.kernel, shape[-1], CHANNEL_AXIS[op]),
    )


def _weights(layer: Any, kernel: Any, channels: int, axis: int) -> Mapping[str, Weight]:
    bias = np.asarray(layer.bias, np.float32) if layer.use_bias else np.zeros(channels, np.float32)
    values = np.asarray(kernel, np.float32)
    if not (np.isfinite(values).all() and np.isfinite(bias).all()):
        raise GraphError(_refusal(layer, "it has weights that are not finite; the training diverged"))
    return {"kernel": Weight(values, axis=axis), "bias": Weight(bias)}


def _fold(node: Node, layer: Any, readers: int) -> Node:
    """``node`` with the batch normalization ``layer`` multiplied into its weights."""
    if node.op not in CHANNEL_AXIS or node.activation != "none" or readers != 1:
        raise GraphError(
            _refusal(layer, "it must directly follow a convolution or dense layer read by nothing else")
        )
    one, zero = np.float64(1), np.float64(0)
    gamma = np.asarray(layer.gamma, np.float64) if layer.scale else one
    beta = np.asarray(layer.beta, np.float64) if layer.center else zero
    factor = gamma / np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
    kernel, bias = node.weights["kernel"], node.weights["bias"]
    shape = [1] * kernel.values.ndim
    shape[kernel.axis] = -1
    folded = (bias.real() - np.asarray(layer.moving_mean, np.float64)) * factor + beta
    weights = {
        "kernel": replace(kernel, values=_float32(kernel.real() * factor.reshape(shape))),
        "bias": replace(bias, values=_float32(folded)),
    }
    return replace(node, weights=weights)


def _fuse(node: Node, activation: str, layer: Any, readers: int) -> Node:
    """``node`` with the activation ``layer`` made part of it."""
    if activation == "none":
        return node
    if node.op not in (*CHANNEL_AXIS, "add") or node.activation != "none" or readers != 1:
        raise GraphError(
            _refusal(layer, "it must directly follow a convolution, dense or Add layer read by nothing else")
        )
    return replace(node, activation=activation)


def _float32(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)


def _refusal(layer: Any, reason: str) -> str:
    return f"layer {layer.name!r} ({type(layer).__name__}) cannot be exported: {reason}"
