"""What the writers of several ops share: fused activations, reshapes, and float32 islands on the grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from edgebuild.formats.tflite.writer import Writer
from edgebuild.graph.ir import Node

__all__ = ["FUSED", "Op", "Options", "Write", "in_float", "quantize", "reshape", "sliding"]

Op = tfl.BuiltinOperator
Options = tfl.BuiltinOptions

#: Appends to a writer what makes tensor ``output`` of a node from the tensors ``inputs``.
Write = Callable[[Writer, Node, list[int], int], None]

FUSED = {
    "none": tfl.ActivationFunctionType.NONE,
    "relu": tfl.ActivationFunctionType.RELU,
    "relu6": tfl.ActivationFunctionType.RELU6,
}


def sliding(node: Node, options: Any) -> Any:
    """``options`` of a window that slides over a map, filled in."""
    options.padding = tfl.Padding.SAME if node.padding == "same" else tfl.Padding.VALID
    options.strideH, options.strideW = node.strides
    options.fusedActivationFunction = FUSED[node.activation]
    return options


def in_float(write: Write) -> Write:
    """``write``, between DEQUANTIZE and QUANTIZE where the node is on a grid."""

    def around(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
        if node.grid is None:
            write(writer, node, inputs, output)
            return
        floats = [writer.dequantize(index, writer.activation(writer.shape(index), None)) for index in inputs]
        result = writer.activation(node.shape, None)
        write(writer, node, floats, result)
        quantize(writer, node, [result], output)

    return around


def reshape(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    shape = np.array([-1, *node.shape], np.int32)
    options = tfl.ReshapeOptionsT()
    options.newShape = shape
    writer.operator(Op.RESHAPE, [*inputs, writer.constant(shape)], output, Options.ReshapeOptions, options)


def quantize(writer: Writer, node: Node, inputs: list[int], output: int) -> None:
    writer.operator(Op.QUANTIZE, inputs, output, Options.QuantizeOptions, tfl.QuantizeOptionsT())
