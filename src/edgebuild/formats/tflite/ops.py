"""How each op of the graph is written: its operator, options and constants.

Every function appends to a writer what makes tensor ``output`` of ``node``
from the tensors ``inputs``. Where XNNPACK has no integer kernel for an op,
LiteRT falls back to its own, which are slow on x86: a hard_silu of
56 × 56 × 64 codes takes 706 µs, in float32 between DEQUANTIZE and QUANTIZE 53.
Such ops are written in float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from edgebuild.formats.tflite.common import Op, Options, Write, in_float, quantize, reshape
from edgebuild.formats.tflite.linear import add, conv2d, dense, depthwise_conv2d
from edgebuild.formats.tflite.pools import average_pool, global_average_pool, max_pool
from edgebuild.formats.tflite.writer import Writer
from edgebuild.graph.ir import Node

__all__ = ["OPERATORS"]

ACTIVATIONS = {
    "relu": Op.RELU,
    "relu6": Op.RELU6,
    "sigmoid": Op.LOGISTIC,
    "tanh": Op.TANH,
    "hard_silu": Op.HARD_SWISH,
    "softmax": Op.SOFTMAX,
}
#: Those that int8 kernels compute exactly, by table.
INT8_FUNCTIONS = ("sigmoid", "tanh", "softmax")


def _multiply(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    writer.operator(Op.MUL, inputs, output, Options.MulOptions, tfl.MulOptionsT())


def _concat(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = tfl.ConcatenationOptionsT()
    options.axis = len(node.shape)  # the last one, after the batch
    writer.operator(Op.CONCATENATION, inputs, output, Options.ConcatenationOptions, options)


def _pad(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """PAD of int8 adds the code of the zero point: the real number 0."""
    pads = writer.constant(np.array([(0, 0), *node.pads, (0, 0)], np.int32))
    writer.operator(Op.PAD, [*inputs, pads], output, Options.PadOptions, tfl.PadOptionsT())


def _crop(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """STRIDED_SLICE; the masks take the whole batch and all channels, whatever ``begin`` and ``end`` say."""
    (top, _), (left, _), (height, width, channels) = *node.pads, node.shape
    begin = np.array([0, top, left, 0], np.int32)
    end = np.array([1, top + height, left + width, channels], np.int32)
    inputs = [*inputs, *(writer.constant(values) for values in (begin, end, np.ones(4, np.int32)))]
    options = tfl.StridedSliceOptionsT()
    options.beginMask = options.endMask = 0b1001
    writer.operator(Op.STRIDED_SLICE, inputs, output, Options.StridedSliceOptions, options)


def _activation(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    write = _function if node.activation in INT8_FUNCTIONS else in_float(_function)
    write(writer, node, inputs, output)


def _function(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    kind, options = 0, None
    if node.activation == "softmax":
        kind, options = Options.SoftmaxOptions, tfl.SoftmaxOptionsT()
        options.beta = 1.0
    writer.operator(ACTIVATIONS[node.activation], inputs, output, kind, options)


def _dequantize(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    writer.dequantize(inputs[0], output)


#: op of the graph → what writes it
OPERATORS: Mapping[str, Write] = {
    "conv2d": conv2d,
    "depthwise_conv2d": depthwise_conv2d,
    "dense": dense,
    "add": add,
    "multiply": _multiply,
    "concat": _concat,
    "max_pool": max_pool,
    "average_pool": average_pool,
    "global_average_pool": global_average_pool,
    "pad": _pad,
    "crop": _crop,
    "activation": _activation,
    "flatten": reshape,
    "expand": reshape,
    "quantize": quantize,
    "dequantize": _dequantize,
}
