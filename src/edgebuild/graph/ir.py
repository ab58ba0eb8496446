"""The inference graph: what every exporter writes and every runtime must agree on.

A :class:`Graph` is a frozen network in single static assignment form: nodes in
topological order, each producing one tensor named like the node. Batch
normalization is already folded into the weights and a ReLU that follows a
convolution, dense layer or sum is part of that node, so the graph holds only
what runtimes execute.

Tensors are float32 in NHWC order with a batch axis that is not written down:
``Node.shape`` is ``(height, width, channels)`` or ``(features,)``. Kernels keep
the Keras layout:

====================  =======================================  ==================
op                    weights                                  channel axis
====================  =======================================  ==================
conv2d                kernel (kh, kw, in, out), bias (out,)    3
depthwise_conv2d      kernel (kh, kw, in, 1), bias (in,)       2
dense                 kernel (in, out), bias (out,)            1
====================  =======================================  ==================

The other ops have no weights:

====================  ============================================================
input                 the image
add                   two tensors of one shape
multiply              two tensors of one shape, or a map and a (1, 1, channels) one
concat                two or more tensors, joined along the last axis
max_pool              ``window``, ``strides``, ``padding``; padding never wins
average_pool          the same; padding is left out of the mean
global_average_pool   mean over height and width: to (channels,) or (1, 1, channels)
pad, crop             ``pads``: zeros added, or pixels taken away
activation            relu, relu6, sigmoid, tanh, hard_silu or softmax on its own
flatten, expand       (h, w, c) to (h·w·c,), and (c,) to (1, 1, c)
dequantize, quantize  from the integer grid to float32 and back
====================  ============================================================

What several of these express is not an op: an affine map of channels (a batch
normalization that nothing precedes, a rescaling) is a 1×1 depthwise
convolution, ``silu(x)`` is ``x · sigmoid(x)``, a separable convolution is two.

The precision of a graph says how its numbers are stored and executed:

======  =====================================================================
fp32    float32 weights, float32 arithmetic
fp16    float16 weights (Core ML also computes in float16)
w8      int8 weights with one float32 scale per channel, float32 arithmetic
w4      the same with 4 bits, in [-7, 7], for conv2d and dense; depthwise as w8
int8    the integer grid: int8 weights, int32 biases, and on every tensor an
        int8 :class:`Grid`, so arithmetic is on integers from input to output.
        A node that is too sensitive may stay in float32: it has no grid, it
        reads "dequantize" nodes and is read by "quantize" nodes
======  =====================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = [
    "ACTIVATIONS",
    "CHANNEL_AXIS",
    "FUSED",
    "OPS",
    "PRECISIONS",
    "Graph",
    "Grid",
    "Node",
    "Weight",
    "same_padding",
]

Array = npt.NDArray[np.generic]

PRECISIONS = ("fp32", "fp16", "w8", "w4", "int8")

#: op → what it takes besides its inputs.
OPS: Mapping[str, tuple[str, ...]] = {
    "input": (),
    "conv2d": ("strides", "padding", "activation"),
    "depthwise_conv2d": ("strides", "padding", "activation"),
    "dense": ("activation",),
    "add": ("activation",),
    "multiply": (),
    "concat": (),
    "max_pool": ("window", "strides", "padding"),
    "average_pool": ("window", "strides", "padding"),
    "global_average_pool": (),
    "pad": ("pads",),
    "crop": ("pads",),
    "activation": ("activation",),
    "flatten": (),
    "expand": (),
    "dequantize": (),
    "quantize": (),
}

#: What ``activation`` may be where it is part of another op, and where it is an op of its own.
FUSED = ("none", "relu", "relu6")
ACTIVATIONS = ("relu", "relu6", "sigmoid", "tanh", "hard_silu", "softmax")

#: op → the axis of its kernel that has one entry per output channel.
CHANNEL_AXIS: Mapping[str, int] = {"conv2d": 3, "depthwise_conv2d": 2, "dense": 1}


@dataclass(frozen=True)
class Grid:
    """The int8 grid of one activation tensor: ``real = scale * (code - zero_point)``.

    ``scale`` is a float32 value held as a Python float, greater than zero;
    ``zero_point`` is an integer in [-128, 127].
    """

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Weight:
    """One constant with its numbers as they are stored.

    ``values`` is float32, float16, int8 (kernels) or int32 (biases). Where it
    is an integer, ``scale`` holds float32 scales, shape ``(channels,)`` along
    ``axis`` of ``values``, and ``real = scale * values`` (symmetric: the zero
    point is 0). An int8 kernel with ``bits`` 4 holds values in [-7, 7] only,
    one per element: two share a byte in the exported files.
    """

    values: Array
    scale: npt.NDArray[np.float32] | None = None
    axis: int = 0
    bits: int = 8

    def real(self) -> npt.NDArray[np.float32]:
        """The real numbers that the stored ones stand for: float32, same shape."""
        if self.scale is None:
            return self.values.astype(np.float32)
        shape = [1] * self.values.ndim
        shape[self.axis] = -1
        return self.values.astype(np.float32) * self.scale.reshape(shape)


@dataclass(frozen=True)
class Node:
    """One operation and the tensor it produces.

    ``strides`` is ``(height, width)``; ``padding`` is "same" (TensorFlow's: the
    odd pixel goes to the bottom and the right) or "valid". ``window`` is that of
    a pooling, ``pads`` is ``((top, bottom), (left, right))``. ``weights`` maps
    "kernel" and "bias" to constants. ``grid`` is set in int8 graphs only.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    strides: tuple[int, int] = (1, 1)
    padding: str = "valid"
    window: tuple[int, int] = (1, 1)
    pads: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    activation: str = "none"
    weights: Mapping[str, Weight] = field(default_factory=dict)
    grid: Grid | None = None


@dataclass(frozen=True)
class Graph:
    """A frozen network: one "input" node first, the last node is the output (logits).

    ``labels`` are the names of the outputs in their order: classes, labels or
    targets; none where outputs have no names. ``pixel_scale`` is the real number
    that one unit of a stored pixel stands for: an application feeds
    ``pixel · pixel_scale``. ``task`` is the kind of question that the network
    answers, ``units`` the (scale, offset) that makes each output a number in its
    own unit: nothing is computed by them, but files tell them to applications.
    """

    nodes: tuple[Node, ...]
    precision: str
    labels: tuple[str, ...]
    pixel_scale: float = 1 / 255
    task: str = "classification"
    units: tuple[tuple[float, float], ...] = ()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    @property
    def input(self) -> Node:
        return self.nodes[0]

    @property
    def output(self) -> Node:
        return self.nodes[-1]

    def consumers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read tensor ``name``, in order."""
        return tuple(node for node in self.nodes if name in node.inputs)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels that "same" adds before and after one axis (TensorFlow's convention)."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
