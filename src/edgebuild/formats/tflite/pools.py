"""Poolings.

XNNPACK has no integer kernel for AVERAGE_POOL_2D, and LiteRT's own rounds
halves away from zero and is slow on x86: a mean over 3 × 3 pixels of
56 × 56 × 64 codes takes it 827 µs. Integer means are therefore written as what
XNNPACK executes (167 µs), in a form that rounds halves to even, as the
reference does.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from edgebuild.formats.tflite.common import Op, Options, in_float, sliding
from edgebuild.formats.tflite.linear import depthwise_conv2d
from edgebuild.formats.tflite.writer import Writer
from edgebuild.graph.ir import Grid, Node, Weight, same_padding

__all__ = ["average_pool", "global_average_pool", "max_pool"]

#: Windows of up to so many pixels are averaged by a convolution: its kernel takes a byte per pixel and channel.
MOST_ONES = 9


def max_pool(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    write = _sum_of_ones if node.window == (1, 1) else _pool
    write(writer, node, inputs, output)


def _pool(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = sliding(node, tfl.Pool2DOptionsT())
    options.filterHeight, options.filterWidth = node.window
    code = Op.MAX_POOL_2D if node.op == "max_pool" else Op.AVERAGE_POOL_2D
    writer.operator(code, inputs, output, Options.Pool2DOptions, options)


def average_pool(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    if node.window == (1, 1):
        _sum_of_ones(writer, node, inputs, output)
    elif node.grid is None:
        _pool(writer, node, inputs, output)
    elif prod(node.window) <= MOST_ONES and not _overlaps_padding(node, writer.shape(inputs[0])):
        _sum_of_ones(writer, node, inputs, output)
    else:
        _mean_of_codes(writer, node, inputs, output)


def _overlaps_padding(node: Node, shape: tuple[int, ...]) -> bool:
    axes = zip(shape, node.window, node.strides, strict=False)
    return node.padding == "same" and any(sum(same_padding(*axis)) for axis in axes)


def _sum_of_ones(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """A depthwise convolution with a kernel of ones, in steps of one over their number.

    It also is what XNNPACK takes for a window of one pixel, in float32 too.
    """
    ones, zeros = np.ones((*node.window, node.shape[2], 1), np.int8), np.zeros(node.shape[2], np.int32)
    if node.grid is None:
        weights = {"kernel": Weight(ones.astype(np.float32)), "bias": Weight(zeros.astype(np.float32))}
    else:
        scale = np.array([1 / prod(node.window)], np.float32)
        weights = {
            "kernel": Weight(ones, scale, axis=2),
            "bias": Weight(zeros, np.float32(node.grid.scale) * scale),
        }
    depthwise_conv2d(writer, replace(node, weights=weights), inputs, output)


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
    in_float(_pool)(writer, node, [codes], means)
    _times(writer, means, node.grid.scale, output)


def _times(writer: Writer, source: int, factor: float, output: int) -> None:
    """Codes multiplied by a constant: one code, whose step is ``factor``."""
    constant = Weight(np.ones(1, np.int8), np.array([factor], np.float32))
    inputs = [source, writer.constant(constant.values, constant)]
    writer.operator(Op.MUL, inputs, output, Options.MulOptions, tfl.MulOptionsT())


def global_average_pool(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = tfl.ReducerOptionsT()
    options.keepDims = len(node.shape) == 3
    inputs = [*inputs, writer.constant(np.array([1, 2], np.int32))]
    writer.operator(Op.MEAN, inputs, output, Options.ReducerOptions, options)
