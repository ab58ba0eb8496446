"""Every op of the graph in TensorFlow, so that gradients can flow: real numbers in, real numbers out.

The counterpart of :mod:`edgebuild.graph.floats`, which is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgebuild.graph.ir import Node, same_padding

__all__ = ["compute"]


def compute(tf: Any, node: Node, inputs: list[Any], weights: tuple[Any, Any] | None) -> Any:
    """The tensor of ``node``, float32 ``(n, *node.shape)``.

    ``weights`` is (kernel, bias) for an op that has them. "input", "quantize"
    and "dequantize" pass on what they get: rounding is not for this module.
    """
    if weights is None:
        result = _OPS[node.op](tf, node, inputs)
    else:
        kernel, bias = weights
        result = _SUMS[node.op](tf, node, inputs[0], kernel) + bias
    return result if node.activation == "none" else _ACTIVATIONS[node.activation](tf, result)


def _conv2d(tf: Any, node: Node, image: Any, kernel: Any) -> Any:
    return tf.nn.conv2d(image, kernel, list(node.strides), node.padding.upper())


def _depthwise_conv2d(tf: Any, node: Node, image: Any, kernel: Any) -> Any:
    down, right = node.strides
    if down == right:
        return tf.nn.depthwise_conv2d(image, kernel, [1, down, right, 1], node.padding.upper())
    # TensorFlow has no kernel for unequal strides: pad as they demand, take every position, keep some.
    if node.padding == "same":
        rows = same_padding(image.shape[1], kernel.shape[0], down)
        columns = same_padding(image.shape[2], kernel.shape[1], right)
        image = tf.pad(image, ((0, 0), rows, columns, (0, 0)))
    return tf.nn.depthwise_conv2d(image, kernel, [1, 1, 1, 1], "VALID")[:, ::down, ::right]


def _dense(tf: Any, node: Node, features: Any, kernel: Any) -> Any:
    del node
    return tf.matmul(features, kernel)


def _max_pool(tf: Any, node: Node, inputs: list[Any]) -> Any:
    return tf.nn.max_pool2d(inputs[0], list(node.window), list(node.strides), node.padding.upper())


def _average_pool(tf: Any, node: Node, inputs: list[Any]) -> Any:
    return tf.nn.avg_pool2d(inputs[0], list(node.window), list(node.strides), node.padding.upper())


def _global_average_pool(tf: Any, node: Node, inputs: list[Any]) -> Any:
    return _reshaped(tf, node, [tf.reduce_mean(inputs[0], axis=(1, 2))])


def _pad(tf: Any, node: Node, inputs: list[Any]) -> Any:
    return tf.pad(inputs[0], ((0, 0), *node.pads, (0, 0)))


def _crop(tf: Any, node: Node, inputs: list[Any]) -> Any:
    (top, _), (left, _) = node.pads
    return inputs[0][:, top : top + node.shape[0], left : left + node.shape[1]]


def _reshaped(tf: Any, node: Node, inputs: list[Any]) -> Any:
    return tf.reshape(inputs[0], (-1, *node.shape))


def _same(tf: Any, node: Node, inputs: list[Any]) -> Any:
    return inputs[0]


_SUMS: Mapping[str, Callable[[Any, Node, Any, Any], Any]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "dense": _dense,
}

_OPS: Mapping[str, Callable[[Any, Node, list[Any]], Any]] = {
    "input": _same,
    "add": lambda tf, node, inputs: inputs[0] + inputs[1],
    "multiply": lambda tf, node, inputs: inputs[0] * inputs[1],
    "concat": lambda tf, node, inputs: tf.concat(inputs, axis=-1),
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_average_pool": _global_average_pool,
    "pad": _pad,
    "crop": _crop,
    "activation": _same,
    "flatten": _reshaped,
    "expand": _reshaped,
    "dequantize": _same,
    "quantize": _same,
}

_ACTIVATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "relu": lambda tf, x: tf.nn.relu(x),
    "relu6": lambda tf, x: tf.nn.relu6(x),
    "sigmoid": lambda tf, x: tf.sigmoid(x),
    "tanh": lambda tf, x: tf.tanh(x),
    "hard_silu": lambda tf, x: x * (tf.nn.relu6(x + np.float32(3)) * np.float32(1 / 6)),
    "softmax": lambda tf, x: tf.nn.softmax(x),
}
