"""From a trained Keras model to the inference graph.

Batch normalization is folded into the convolution or dense layer before it
(Jacob et al. 2018, section 3.2), ReLU becomes part of the layer that it
follows, and layers that do nothing at inference disappear. A layer outside the
supported set is refused by name; nothing is approximated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class _Call:
    """A layer as one model calls it: a layer can belong to several models."""

    layer: Any
    inputs: tuple[Any, ...]  # symbolic Keras tensors, as is the output
    output: Any

    @property
    def kind(self) -> str:
        return type(self.layer).__name__

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the layers that it reads."""
        return tuple(tensor._keras_history.operation.name for tensor in self.inputs)


def freeze(model: Any, labels: tuple[str, ...]) -> Graph:
    """The fp32 graph of a functional or sequential Keras model from one image to one logit per label.

    Raises:
        GraphError: a model or a layer that the graph cannot hold, named with its type and what to do.
    """
    origin: dict[str, str] = {}  # layer → itself, or the layer whose result it passes on
    kept: list[tuple[_Call, tuple[str, ...]]] = []
    for call in _calls(model):
        inputs = tuple(origin[name] for name in call.reads)
        passes_on = call.kind in IDENTITIES or _activation(call) == "none"
        origin[call.layer.name] = inputs[0] if passes_on else call.layer.name
        if not passes_on:
            kept.append((call, inputs))
    readers = Counter(name for _, inputs in kept for name in inputs)

    nodes: dict[str, Node] = {}
    holder: dict[str, str] = {}  # layer → the node that holds its result
    for call, reads in kept:
        inputs = tuple(holder[name] for name in reads)
        if call.kind == "BatchNormalization":
            node = _fold(nodes[inputs[0]], call, readers[reads[0]])
        elif (activation := _activation(call)) is not None:
            node = _fuse(nodes[inputs[0]], activation, call, readers[reads[0]])
        else:
            node = _translate(call, inputs)
        nodes[node.name] = node
        holder[call.layer.name] = node.name
    graph = Graph(tuple(nodes.values()), "fp32", labels)
    if len(nodes) < 2 or graph.output.shape != (len(labels),):
        raise GraphError(
            f"model {model.name!r} must give one logit for each of {len(labels)} labels, but its output "
            f"has shape {graph.output.shape}; end it with Dense({len(labels)})"
        )
    return graph


def _calls(model: Any) -> list[_Call]:
    """The layers between the input and the output of ``model``, each after those that it reads."""
    inputs, outputs = (getattr(model, ends, None) or () for ends in ("inputs", "outputs"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise GraphError(
            f"model {model.name!r} has {len(inputs)} inputs and {len(outputs)} outputs; export a model with one "
            f"of each, made with keras.Model(image, logits) or as a Sequential that begins with keras.Input"
        )
    position = {layer.name: index for index, layer in enumerate(model.layers)}
    found: dict[str, Any] = {}  # layer → its node in Keras' own graph
    waiting = list(outputs)
    while waiting:
        operation, index, _ = waiting.pop()._keras_history
        node = operation._inbound_nodes[index]
        if type(operation).__name__ == "InputLayer":
            position.setdefault(operation.name, -1)  # a Sequential does not list its own
        if operation.name not in position:
            raise GraphError(_refusal(operation, f"it is not a layer; supported are {SUPPORTED}"))
        if operation.name not in found:
            found[operation.name] = node
            waiting.extend(node.input_tensors)
        elif found[operation.name] is not node:
            raise GraphError(_refusal(operation, "it is called twice; make a layer for every call"))
    nodes = [found[name] for name in sorted(found, key=position.__getitem__)]
    return [_Call(node.operation, tuple(node.input_tensors), node.output_tensors[0]) for node in nodes]


def _activation(call: _Call) -> str | None:
    """The name of the activation that a layer is, if it is one."""
    layer = call.layer
    if call.kind == "ReLU":
        if layer.negative_slope or layer.threshold or layer.max_value not in (None, 6.0):
            raise GraphError(
                _refusal(layer, "only a plain ReLU and one with max_value=6 exist on every runtime")
            )
        return "relu" if layer.max_value is None else "relu6"
    if call.kind == "Activation":
        return _activation_name(layer)
    return None


def _activation_name(layer: Any) -> str:
    name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
    if name not in ("linear", "relu", "relu6"):
        raise GraphError(_refusal(layer, f"activation {name!r} is not relu or relu6"))
    return "none" if name == "linear" else str(name)


def _translate(call: _Call, inputs: tuple[str, ...]) -> Node:
    layer, kind, shape = call.layer, call.kind, tuple(call.output.shape[1:])
    if None in shape:
        raise GraphError(
            _refusal(layer, f"its output shape {shape} is not fixed; give the model a fixed input")
        )
    if (policy := layer.dtype_policy.name) != "float32" or call.output.dtype != "float32":
        found = policy if policy != "float32" else call.output.dtype
        raise GraphError(_refusal(layer, f"it computes in {found}, not float32; quantize the graph instead"))
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise GraphError(_refusal(layer, "its data_format must be channels_last"))
    if kind == "InputLayer":
        return Node(layer.name, "input", (), shape)
    if kind in ("Conv2D", "DepthwiseConv2D"):
        return _convolution(layer, kind, inputs, shape)
    if kind == "Dense":
        if len(call.inputs[0].shape) != 2:
            raise GraphError(_refusal(layer, "its input is not flat; put Flatten before it"))
        weights = _weights(layer, layer.kernel, layer.units, axis=1)
        return Node(layer.name, "dense", inputs, shape, activation=_activation_name(layer), weights=weights)
    if kind == "Add":
        if [tuple(tensor.shape[1:]) for tensor in call.inputs] != [shape, shape]:
            raise GraphError(_refusal(layer, "it must add two tensors of one shape"))
        return Node(layer.name, "add", inputs, shape)
    if kind == "GlobalAveragePooling2D":
        if layer.keepdims:
            raise GraphError(_refusal(layer, "keepdims must be False"))
        return Node(layer.name, "global_average_pool", inputs, shape)
    if kind == "Flatten":
        return Node(layer.name, "flatten", inputs, shape)
    raise GraphError(_refusal(layer, f"supported are {SUPPORTED}"))


def _convolution(layer: Any, kind: str, inputs: tuple[str, ...], shape: tuple[int, ...]) -> Node:
    depthwise = kind == "DepthwiseConv2D"
    if tuple(layer.dilation_rate) != (1, 1):
        raise GraphError(_refusal(layer, "dilation_rate must be 1"))
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


def _fold(node: Node, call: _Call, readers: int) -> Node:
    """``node`` with a batch normalization multiplied into its weights."""
    layer = call.layer
    if node.op not in CHANNEL_AXIS or node.activation != "none" or readers != 1:
        raise GraphError(
            _refusal(layer, "it must directly follow a convolution or dense layer read by nothing else")
        )
    if layer.axis not in (-1, len(node.shape)):
        raise GraphError(
            _refusal(layer, f"it must normalize the last axis, but normalizes axis {layer.axis}")
        )
    one, zero = np.float64(1), np.float64(0)
    gamma = np.asarray(layer.gamma, np.float64) if layer.scale else one
    beta = np.asarray(layer.beta, np.float64) if layer.center else zero
    mean, variance = (np.asarray(moving, np.float64) for moving in (layer.moving_mean, layer.moving_variance))
    if not (np.isfinite(gamma + beta + mean + variance).all() and (variance + layer.epsilon > 0).all()):
        raise GraphError(
            _refusal(layer, "its statistics are not finite or not positive; the training diverged")
        )
    factor = gamma / np.sqrt(variance + layer.epsilon)
    kernel, bias = node.weights["kernel"], node.weights["bias"]
    shape = [1] * kernel.values.ndim
    shape[kernel.axis] = -1
    weights = {
        "kernel": replace(kernel, values=_float32(kernel.real() * factor.reshape(shape))),
        "bias": replace(bias, values=_float32((bias.real() - mean) * factor + beta)),
    }
    return replace(node, weights=weights)


def _fuse(node: Node, activation: str, call: _Call, readers: int) -> Node:
    """``node`` with an activation made part of it."""
    if node.op not in (*CHANNEL_AXIS, "add") or node.activation != "none" or readers != 1:
        reason = "it must directly follow a convolution, dense or Add layer read by nothing else"
        raise GraphError(_refusal(call.layer, reason))
    return replace(node, activation=activation)


def _float32(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)


def _refusal(layer: Any, reason: str) -> str:
    return f"layer {layer.name!r} ({type(layer).__name__}) cannot be exported: {reason}"
