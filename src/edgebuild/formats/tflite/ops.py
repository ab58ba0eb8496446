"""How each op of the graph is written: its operator, options and constants.

Every function appends to a writer what makes tensor ``output`` of ``node``
from the tensors ``inputs``.

XNNPACK's integer kernels round half to even, as the reference does. Where it
has none for an op, LiteRT falls back to kernels of its own, which are slow on
x86 (a hard_silu of 56 × 56 × 64 codes takes 706 µs, in float between
DEQUANTIZE and QUANTIZE 53) and which round halves away from zero in poolings.
Such ops are therefore written as what XNNPACK executes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from edgebuild.formats.tflite.writer import Writer
from edgebuild.graph.ir import Grid, Node, Weight, same_padding

__all__ = ["OPERATORS"]

Op = tfl.BuiltinOperator
Options = tfl.BuiltinOptions

FUSED = {
    "none": tfl.ActivationFunctionType.NONE,
    "relu": tfl.ActivationFunctionType.RELU,
    "relu6": tfl.ActivationFunctionType.RELU6,
}
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

#: Windows of up to so many pixels are averaged by a convolution: its kernel takes a byte per pixel and channel.
MOST_ONES = 9

Write = Callable[[Writer, Node, list[int], int], None]


def _sliding(node: Node, options: Any) -> Any:
    options.padding = tfl.Padding.SAME if node.padding == "same" else tfl.Padding.VALID
    options.strideH, options.strideW = node.strides
    options.fusedActivationFunction = FUSED[node.activation]
    return options


def _conv2d(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = _sliding(node, tfl.Conv2DOptionsT())
    inputs = [*inputs, *writer.parameters(node, (3, 0, 1, 2), axis=0)]
    writer.operator(Op.CONV_2D, inputs, output, Options.Conv2DOptions, options)


def _depthwise_conv2d(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = _sliding(node, tfl.DepthwiseConv2DOptionsT())
    options.depthMultiplier = 1
    inputs = [*inputs, *writer.parameters(node, (3, 0, 1, 2), axis=3)]
    writer.operator(Op.DEPTHWISE_CONV_2D, inputs, output, Options.DepthwiseConv2DOptions, options)


def _dense(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = tfl.FullyConnectedOptionsT()
    options.fusedActivationFunction = FUSED[node.activation]
    inputs = [*inputs, *writer.parameters(node, (1, 0), axis=0)]
    writer.operator(Op.FULLY_CONNECTED, inputs, output, Options.FullyConnectedOptions, options)


def _add(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = tfl.AddOptionsT()
    options.fusedActivationFunction = FUSED[node.activation]
    writer.operator(Op.ADD, inputs, output, Options.AddOptions, options)


def _multiply(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    writer.operator(Op.MUL, inputs, output, Options.MulOptions, tfl.MulOptionsT())


def _concat(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = tfl.ConcatenationOptionsT()
    options.axis = len(node.shape)  # the last one, after the batch
    writer.operator(Op.CONCATENATION, inputs, output, Options.ConcatenationOptions, options)


def _pool(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = _sliding(node, tfl.Pool2DOptionsT())
    options.filterHeight, options.filterWidth = node.window
    code = Op.MAX_POOL_2D if node.op == "max_pool" else Op.AVERAGE_POOL_2D
    writer.operator(code, inputs, output, Options.Pool2DOptions, options)


def _average_pool(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    if node.grid is None:
        _pool(writer, node, inputs, output)
    elif prod(node.window) <= MOST_ONES and not _overlaps_padding(node, writer.shape(inputs[0])):
        _sum_of_ones(writer, node, inputs, output)
    else:
        _mean_of_codes(writer, node, inputs, output)


def _overlaps_padding(node: Node, shape: tuple[int, ...]) -> bool:
    axes = zip(shape, node.window, node.strides, strict=False)
    return node.padding == "same" and any(sum(same_padding(*axis)) for axis in axes)


def _sum_of_ones(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """A depthwise convolution with a kernel of ones, in steps of one over their number."""
    assert node.grid is not None, node.name
    scale, channels = np.array([1 / prod(node.window)], np.float32), node.shape[2]
    ones = Weight(np.ones((*node.window, channels, 1), np.int8), scale, axis=2)
    zeros = Weight(np.zeros(channels, np.int32), np.float32(node.grid.scale) * scale)
    weights = {"kernel": ones, "bias": zeros}  # LiteRT requires the bias
    _depthwise_conv2d(writer, replace(node, weights=weights), inputs, output)


def _mean_of_codes(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """The mean in float32, on maps in steps of 1: integers there, whose halves are exactly halves.

    Means of real numbers, ``scale · code``, would be rounded before they are
    quantized, and a half could go either way.
    """
    assert node.grid is not None, node.name
    steps = Grid(1.0, node.grid.zero_point)
    codes = writer.activation(writer.shape(inputs[0]), steps)
    _times(writer, inputs[0], 1 / node.grid.scale, codes)
    means = writer.activation(node.shape, steps)
    _in_float(_pool)(writer, node, [codes], means)
    _times(writer, means, node.grid.scale, output)


def _times(writer: Writer, source: int, factor: float, output: int) -> None:
    """Codes multiplied by a constant: one code, whose step is ``factor``."""
    constant = Weight(np.ones(1, np.int8), np.array([factor], np.float32))
    inputs = [source, writer.constant(constant.values, constant)]
    writer.operator(Op.MUL, inputs, output, Options.MulOptions, tfl.MulOptionsT())


def _in_float(write: Write) -> Write:
    """``write``, between DEQUANTIZE and QUANTIZE where the node is on a grid."""

    def around(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
        if node.grid is None:
            write(writer, node, inputs, output)
            return
        floats = [writer.dequantize(index, writer.activation(writer.shape(index), None)) for index in inputs]
        result = writer.activation(node.shape, None)
        write(writer, node, floats, result)
        _quantize(writer, node, [result], output)

    return around


def _global_average_pool(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = tfl.ReducerOptionsT()
    options.keepDims = len(node.shape) == 3
    inputs = [*inputs, writer.constant(np.array([1, 2], np.int32))]
    writer.operator(Op.MEAN, inputs, output, Options.ReducerOptions, options)


def _pad(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """PAD of int8 adds the code of the zero point: the real number 0."""
    pads = writer.constant(np.array([(0, 0), *node.pads, (0, 0)], np.int32))
    writer.operator(Op.PAD, [*inputs, pads], output, Options.PadOptions, tfl.PadOptionsT())


def _crop(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """STRIDED_SLICE; the masks take the whole batch and all channels, whatever ``begin`` and ``end`` say."""
    (top, _), (left, _), (height, width, channels) = *node.pads, node.shape
    begin = np.array([0, top, left, 0], np.int32)
    end = np.array([1, top + height, left + width, channels], np.int32)
    constants = [writer.constant(values) for values in (begin, end, np.ones(4, np.int32))]
    options = tfl.StridedSliceOptionsT()
    options.beginMask = options.endMask = 0b1001
    writer.operator(Op.STRIDED_SLICE, [*inputs, *constants], output, Options.StridedSliceOptions, options)


def _activation(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    write = _function if node.activation in INT8_FUNCTIONS else _in_float(_function)
    write(writer, node, inputs, output)


def _function(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    kind, options = 0, None
    if node.activation == "softmax":
        kind, options = Options.SoftmaxOptions, tfl.SoftmaxOptionsT()
        options.beta = 1.0
    writer.operator(ACTIVATIONS[node.activation], inputs, output, kind, options)


def _reshape(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    shape = np.array([-1, *node.shape], np.int32)
    options = tfl.ReshapeOptionsT()
    options.newShape = shape
    writer.operator(Op.RESHAPE, [*inputs, writer.constant(shape)], output, Options.ReshapeOptions, options)


def _quantize(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    writer.operator(Op.QUANTIZE, inputs, output, Options.QuantizeOptions, tfl.QuantizeOptionsT())


def _dequantize(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    writer.dequantize(inputs[0], output)


#: op of the graph → what writes it
OPERATORS: Mapping[str, Write] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "dense": _dense,
    "add": _add,
    "multiply": _multiply,
    "concat": _concat,
    "max_pool": _pool,
    "average_pool": _average_pool,
    "global_average_pool": _global_average_pool,
    "pad": _pad,
    "crop": _crop,
    "activation": _activation,
    "flatten": _reshape,
    "expand": _reshape,
    "quantize": _quantize,
    "dequantize": _dequantize,
}
