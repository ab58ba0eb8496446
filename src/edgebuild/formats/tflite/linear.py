"""Ops with weights, and the sum."""

from __future__ import annotations

from dataclasses import replace

from ai_edge_litert import schema_py_generated as tfl

from edgebuild.formats.tflite.common import FUSED, Op, Options, sliding
from edgebuild.formats.tflite.writer import Writer
from edgebuild.graph.ir import Node

__all__ = ["add", "conv2d", "dense", "depthwise_conv2d"]

#: A 4-bit kernel of several pixels stays outside XNNPACK, unless its numbers are stored in a byte each. Up to
#: so many of them, such as those of a network's first convolution, that costs half a kilobyte at most.
FEW_WEIGHTS = 1024


def conv2d(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    kernel = node.weights["kernel"]
    if kernel.bits == 4 and kernel.values.shape[:2] == node.strides == (1, 1):
        _times_matrix(writer, node, inputs, output)
        return
    if kernel.bits == 4 and kernel.values.size <= FEW_WEIGHTS:
        node = replace(node, weights={**node.weights, "kernel": replace(kernel, bits=8)})
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


def _times_matrix(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    """A dense layer, or a 1×1 convolution, whose kernel comes from a DEQUANTIZE of INT4.

    XNNPACK refuses CONV_2D and FULLY_CONNECTED then, and LiteRT's own float
    kernels take four times as long. It accepts BATCH_MATMUL, which counts the
    rows of a map as batches.
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
