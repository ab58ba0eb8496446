"""Fake quantization in TensorFlow: numbers rounded onto their grids that stay real, and can be trained.

After Jacob et al. 2018, "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", section 3. Gradients pass the
rounding unchanged (the straight-through estimator of Bengio et al. 2013), but
not the clipping.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.compress.quantize import BIAS_CODES, FOUR_BITS
from edgebuild.compress.weights import least_error, top_code
from edgebuild.graph.ir import CHANNEL_AXIS, Grid, Node, Weight

__all__ = ["Layer", "eight_bit_layer", "float_layer", "four_bit_layer", "on_codes"]

#: The least scale that :mod:`edgebuild.compress.weights` tells from that of a dead channel.
TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Layer:
    """The weights of one node in training.

    ``variables`` are its kernel, its bias, and what else is learned; ``weights``
    gives the (kernel, bias) that they count for, rounded.
    """

    node: Node
    variables: list[Any]
    weights: Callable[[], tuple[Any, Any]]

    def trained(self) -> Node:
        """The node with its rounded kernel, and its bias as it is: lowering rounds that again, in the same way."""
        kernel, bias = self.weights()[0].numpy(), self.variables[1].numpy()
        own = self.node.weights
        values = {"kernel": kernel + np.float32(0), "bias": bias}  # a zero without a sign
        return replace(self.node, weights={key: replace(own[key], values=values[key]) for key in own})


def float_layer(tf: Any, node: Node) -> Layer:
    """Weights in float32; zeros of the kernel stay zero, as in the other two."""
    kernel, bias, mask = _variables(tf, node)
    return Layer(node, [kernel, bias], lambda: (kernel * mask, tf.identity(bias)))


def eight_bit_layer(tf: Any, node: Node, grid: Grid | None) -> Layer:
    """A kernel in 8 bits whose scales follow max|w|, as :func:`edgebuild.compress.weights.per_channel`.

    ``grid`` is that of the node's input, with which the bias is rounded to
    int32 codes; None leaves it in float32.
    """
    kernel, bias, mask = _variables(tf, node)
    axis = CHANNEL_AXIS[node.op]
    others = [index for index in range(len(kernel.shape)) if index != axis]

    def weights() -> tuple[Any, Any]:
        sparse = kernel * mask
        scale = tf.reduce_max(tf.abs(sparse), axis=others) / np.float32(top_code(8))
        if grid is not None:  # the floor of quantize.bias_floor
            scale = tf.maximum(scale, tf.abs(bias) / (np.float32(BIAS_CODES) * np.float32(grid.scale)))
        scale = tf.stop_gradient(tf.where(scale < TINY, tf.ones_like(scale), scale))
        along = tf.reshape(scale, _along(sparse, axis))
        rounded = _rounded(tf, sparse / along) * along
        if grid is None:
            return rounded, tf.identity(bias)
        unit = np.float32(grid.scale) * scale
        return rounded, _rounded(tf, bias / unit) * unit

    return Layer(node, [kernel, bias], weights)


def four_bit_layer(tf: Any, node: Node) -> Layer:
    """A kernel in 4 bits whose scales are learned, from those of least squared error on.

    Esser et al. 2020, "Learned Step Size Quantization", equations 1 to 3. A
    scale is learned as the logarithm of its ratio to where it began, so that
    one learning rate suits scales of every size; that takes the place of the
    factor of their section 2.2. A depthwise kernel has 8 bits, as in w4.
    """
    if node.op not in FOUR_BITS:
        return eight_bit_layer(tf, node, None)
    kernel, bias, mask = _variables(tf, node)
    axis, top = CHANNEL_AXIS[node.op], float(top_code(4))
    start = _scale(least_error(node.weights["kernel"].real(), axis, 4))
    growth = tf.Variable(np.zeros_like(start))

    def weights() -> tuple[Any, Any]:
        along = tf.reshape(start * tf.exp(growth), _along(kernel, axis))
        codes = _rounded(tf, tf.clip_by_value(kernel * mask / along, -top, top))
        return codes * along, tf.identity(bias)

    return Layer(node, [kernel, bias, growth], weights)


def on_codes(tf: Any, values: Any, grid: Grid) -> Any:
    """Real values moved to those that codes of ``grid`` stand for; no gradient where they saturate."""
    zero, scale = np.float32(grid.zero_point), np.float32(grid.scale)
    return (tf.clip_by_value(_rounded(tf, values / scale) + zero, -128.0, 127.0) - zero) * scale


def _variables(tf: Any, node: Node) -> tuple[Any, Any, Any]:
    """Kernel and bias, and 1 where the kernel is not zero."""
    values = node.weights["kernel"].real()
    kernel, bias = tf.Variable(values), tf.Variable(node.weights["bias"].real())
    return kernel, bias, tf.constant((values != 0).astype(np.float32))


def _along(kernel: Any, axis: int) -> list[int]:
    """The shape in which one number per channel multiplies ``kernel``."""
    return [-1 if index == axis else 1 for index in range(len(kernel.shape))]


def _scale(weight: Weight) -> npt.NDArray[np.float32]:
    assert weight.scale is not None
    return weight.scale


def _rounded(tf: Any, values: Any) -> Any:
    """Half to even; the gradient is that of no rounding. The sum is exact: float32 holds the difference."""
    return values + tf.stop_gradient(tf.round(values) - values)
