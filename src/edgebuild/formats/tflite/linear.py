"""Ops with weights, and the sum."""

from __future__ import annotations

from dataclasses import replace

from ai_edge_litert import schema_py_generated as tfl

from edgebuild.formats.tflite.common import FUSED, Op, Options, reshape, sliding
from edgebuild.formats.tflite.writer import Writer
from edgebuild.graph.ir import Node

__all__ = ["add", "conv2d", "dense", "depthwise_conv2d"]


def conv2d(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    kernel = node.weights["kernel"]
    if kernel.bits == 4 and kernel.values.shape[:2] == node.strides == (1, 1):
        _pixels_times_matrix(writer, node, inputs, output)
        return
    options = sliding(node, tfl.Conv2DOptionsT())
    inputs = [*inputs, *writer.parameters(node, (3, 0, 1, 2), axis=0)]
    writer.operator(Op.CONV_2D, inputs, output, Options.Conv2DOptions, options)


def depthwise_conv2d(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = sliding(node, tfl.DepthwiseConv2DOptionsT())
    options.depthMultiplier = 1
    inputs = [*inputs, *writer.parameters(node, (3, 0, 1, 2), axis=3)]
    writer.operator(Op.DEPTHWISE_CONV_2D, inputs, output, Options.DepthwiseConv2DOptions, options)


def dense(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    if node.weights["kernel"].bits == 4:
        _times_matrix(writer, node, inputs, output)
        return
    options = tfl.FullyConnectedOptionsT()
    options.fusedActivationFunction = FUSED[node.activation]
    inputs = [*inputs, *writer.parameters(node, (1, 0), axis=0)]
    writer.operator(Op.FULLY_CONNECTED, inputs, output, Options.FullyConnectedOptions, options)


def _pixels_times_matrix(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """A 1×1 convolution as the matrix product that it is: (h·w, in) by (in, out)."""
    height, width, channels = writer.shape(inputs[0])
    pixels = replace(node, shape=(height * width, channels))
    products = replace(node, shape=(height * width, node.shape[2]))
    columns = writer.activation(pixels.shape, None)
    reshape(writer, pixels, inputs, columns)
    result = writer.activation(products.shape, None)
    _times_matrix(writer, products, [columns], result)
    reshape(writer, node, [result], output)


def _times_matrix(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """BATCH_MATMUL and ADD: unlike a convolution's, their operand may come from a DEQUANTIZE of INT4.

    XNNPACK refuses CONV_2D and FULLY_CONNECTED then, and LiteRT's own float
    kernels take four times as long.
    """
    kernel = node.weights["kernel"]
    matrix = replace(kernel, values=kernel.values.reshape(kernel.values.shape[-2:]), axis=1)
    weights = writer.parameters(replace(node, weights={**node.weights, "kernel": matrix}), (0, 1), axis=1)
    product = writer.activation(node.shape, None)
    options = tfl.BatchMatMulOptionsT()
    writer.operator(Op.BATCH_MATMUL, [*inputs, weights[0]], product, Options.BatchMatMulOptions, options)
    add(writer, node, [product, weights[1]], output)


def add(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    options = tfl.AddOptionsT()
    options.fusedActivationFunction = FUSED[node.activation]
    writer.operator(Op.ADD, inputs, output, Options.AddOptions, options)
