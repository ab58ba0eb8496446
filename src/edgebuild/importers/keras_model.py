"""A graph as a functional Keras model: the way back from :mod:`edgebuild.graph.freeze`.

Layers have the names of the nodes, and activations are layers of their own, as
in the networks of :mod:`edgebuild.zoo`, so that pruning and fine-tuning treat
both alike. Batch normalizations were folded when the graph was made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from edgebuild.graph.calls import unique
from edgebuild.graph.ir import CHANNEL_AXIS, Graph, Node

__all__ = ["keras_model"]


def keras_model(keras: Any, graph: Graph, name: str) -> Any:
    """The model that computes what the fp32 ``graph`` does, trainable: images ``(n, h, w, c)`` → ``(n, outputs)``."""
    tensors: dict[str, Any] = {}
    taken = {node.name for node in graph}
    for node in graph:
        if node.op == "input":
            tensors[node.name] = keras.Input(node.shape, name=node.name)
            continue
        inputs = [tensors[source] for source in node.inputs]
        layer = _LAYERS[node.op](keras.layers, node)
        made = layer(inputs if len(inputs) > 1 else inputs[0])
        if node.op in CHANNEL_AXIS:
            layer.set_weights([node.weights[key].real() for key in ("kernel", "bias")])
        if node.op != "activation" and node.activation != "none":
            title = unique(f"{node.name}_{node.activation}", taken)
            made = _ACTIVATIONS[node.activation](keras.layers, title)(made)
        tensors[node.name] = made
    title = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    return keras.Model(tensors[graph.input.name], tensors[graph.output.name], name=title)


def _conv2d(layers: Any, node: Node) -> Any:
    height, width, _, outputs = node.weights["kernel"].values.shape
    return layers.Conv2D(outputs, (height, width), node.strides, node.padding, name=node.name)


def _depthwise(layers: Any, node: Node) -> Any:
    sides = node.weights["kernel"].values.shape[:2]
    return layers.DepthwiseConv2D(sides, node.strides, node.padding, name=node.name)


def _dense(layers: Any, node: Node) -> Any:
    return layers.Dense(node.shape[0], name=node.name)


def _global_average(layers: Any, node: Node) -> Any:
    return layers.GlobalAveragePooling2D(keepdims=len(node.shape) == 3, name=node.name)


def _simple(kind: str) -> Callable[[Any, Node], Any]:
    return lambda layers, node: getattr(layers, kind)(name=node.name)


def _activation(layers: Any, node: Node) -> Any:
    return _ACTIVATIONS[node.activation](layers, node.name)


def _function(name: str) -> Callable[[Any, str], Any]:
    return lambda layers, title: layers.Activation(name, name=title)


#: op → the layer that computes it, without the activation of ops that have one.
_LAYERS: Mapping[str, Callable[[Any, Node], Any]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise,
    "dense": _dense,
    "add": _simple("Add"),
    "multiply": _simple("Multiply"),
    "concat": _simple("Concatenate"),
    "max_pool": lambda layers, node: layers.MaxPooling2D(
        node.window, node.strides, node.padding, name=node.name
    ),
    "average_pool": lambda layers, node: layers.AveragePooling2D(
        node.window, node.strides, node.padding, name=node.name
    ),
    "global_average_pool": _global_average,
    "pad": lambda layers, node: layers.ZeroPadding2D(node.pads, name=node.name),
    "crop": lambda layers, node: layers.Cropping2D(node.pads, name=node.name),
    "activation": _activation,
    "flatten": _simple("Flatten"),
    "expand": lambda layers, node: layers.Reshape(node.shape, name=node.name),
}

#: activation → the layer that computes it.
_ACTIVATIONS: Mapping[str, Callable[[Any, str], Any]] = {
    "relu": lambda layers, title: layers.ReLU(name=title),
    "relu6": lambda layers, title: layers.ReLU(max_value=6.0, name=title),
    "softmax": lambda layers, title: layers.Softmax(name=title),
    **{name: _function(name) for name in ("sigmoid", "tanh", "hard_silu")},
}
