"""A graph as the bytes of a .tflite file, written directly with LiteRT's own schema.

No converter and no TensorFlow: what the graph holds is what the file holds.
The format is described by the TensorFlow Lite schema (schema.fbs) and its
8-bit quantization specification: kernels symmetric per channel along the
output axis, biases int32 with scale = input scale × kernel scale, activations
asymmetric per tensor.

fp16 and w8 keep float32 arithmetic: each kernel is stored small and followed
by a DEQUANTIZE that the runtime executes once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as tfl

from edgebuild.graph.ir import Graph, Node, Weight

__all__ = ["serialize"]

Array = npt.NDArray[np.generic]

TYPES = {"float32": tfl.TensorType.FLOAT32, "float16": tfl.TensorType.FLOAT16}
TYPES |= {"int8": tfl.TensorType.INT8, "int32": tfl.TensorType.INT32}
ACTIVATIONS = {
    "none": tfl.ActivationFunctionType.NONE,
    "relu": tfl.ActivationFunctionType.RELU,
    "relu6": tfl.ActivationFunctionType.RELU6,
}
#: builtin operator → the first version of it that takes int8 per channel
VERSIONS = {
    tfl.BuiltinOperator.CONV_2D: 3,
    tfl.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    tfl.BuiltinOperator.FULLY_CONNECTED: 4,
    tfl.BuiltinOperator.ADD: 2,
    tfl.BuiltinOperator.MEAN: 2,
    tfl.BuiltinOperator.DEQUANTIZE: 5,
    tfl.BuiltinOperator.RESHAPE: 1,
}


def serialize(graph: Graph) -> bytes:
    """The file's bytes; equal graphs give equal bytes."""
    writer = _Writer(graph)
    for node in graph:
        writer.add(node)
    model = tfl.ModelT()
    model.version = 3
    model.description = f"edgebuild {graph.precision}"
    model.operatorCodes = [_operator_code(code) for code in writer.codes]
    model.subgraphs = [writer.subgraph()]
    model.buffers = writer.buffers
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _Writer:
    """Collects the tensors, buffers and operators of one subgraph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.buffers = [tfl.BufferT()]  # buffer 0 is empty by the schema's rule
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[int] = []
        self.index: dict[str, int] = {}

    def add(self, node: Node) -> None:
        """Write one node: its result tensor and the operator that makes it."""
        name = {self.graph.input.name: "image", self.graph.output.name: "logits"}.get(node.name, "")
        kind = "int8" if self.graph.precision == "int8" else "float32"
        tensor = self._tensor(name, (1, *node.shape), kind)
        if node.grid is not None:
            _quantize(self.tensors[tensor], np.array([node.grid.scale]), node.grid.zero_point)
        self.index[node.name] = tensor
        if node.op != "input":
            inputs = [self.index[source] for source in node.inputs]
            _OPERATORS[node.op](self, node, inputs, tensor)

    def operator(self, code: int, inputs: list[int], output: int, kind: int = 0, options: Any = None) -> None:
        if code not in self.codes:
            self.codes.append(code)
        operator = tfl.OperatorT()
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.operators.append(operator)

    def constant(self, values: Array, weight: Weight | None = None, axis: int = 0) -> int:
        """A constant tensor; a ``weight`` with scales has them along ``axis`` of ``values``."""
        buffer = tfl.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.buffers.append(buffer)
        tensor = self._tensor("", values.shape, values.dtype.name, len(self.buffers) - 1)
        if weight is not None and weight.scale is not None:
            _quantize(self.tensors[tensor], weight.scale, 0, axis)
        return tensor

    def parameters(self, node: Node, layout: tuple[int, ...], axis: int) -> list[int]:
        """Kernel and bias of ``node``; the kernel's axes reordered by ``layout``."""
        indices = []
        for weight, order in ((node.weights["kernel"], layout), (node.weights["bias"], (0,))):
            values = weight.values.transpose(order)
            index = self.constant(values, weight, axis if order is layout else 0)
            if self.graph.precision in ("fp16", "w8") and values.dtype != np.float32:
                widened = self._tensor("", values.shape, "float32")
                self.operator(
                    tfl.BuiltinOperator.DEQUANTIZE,
                    [index],
                    widened,
                    tfl.BuiltinOptions.DequantizeOptions,
                    tfl.DequantizeOptionsT(),
                )
                index = widened
            indices.append(index)
        return indices

    def subgraph(self) -> Any:
        subgraph = tfl.SubGraphT()
        subgraph.tensors, subgraph.operators = self.tensors, self.operators
        subgraph.inputs = [self.index[self.graph.input.name]]
        subgraph.outputs = [self.index[self.graph.output.name]]
        return subgraph

    def _tensor(self, name: str, shape: tuple[int, ...], kind: str, buffer: int = 0) -> int:
        tensor = tfl.TensorT()
        tensor.name = name
        tensor.shape = list(shape)
        tensor.type = TYPES[kind]
        tensor.buffer = buffer
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def _quantize(tensor: Any, scale: Array, zero_point: int, axis: int = 0) -> None:
    tensor.quantization = tfl.QuantizationParametersT()
    tensor.quantization.scale = scale.astype(np.float32)
    tensor.quantization.zeroPoint = np.full(len(scale), zero_point, np.int64)
    tensor.quantization.quantizedDimension = axis


def _operator_code(code: int) -> Any:
    result = tfl.OperatorCodeT()
    result.builtinCode = code
    result.deprecatedBuiltinCode = min(code, 127)
    result.version = VERSIONS[code]
    return result


def _convolution_options(node: Node, options: Any) -> Any:
    options.padding = tfl.Padding.SAME if node.padding == "same" else tfl.Padding.VALID
    options.strideH, options.strideW = node.strides
    options.dilationHFactor = options.dilationWFactor = 1
    options.fusedActivationFunction = ACTIVATIONS[node.activation]
    return options


def _conv2d(writer: _Writer, node: Node, inputs: list[int], output: int) -> None:
    inputs = [*inputs, *writer.parameters(node, (3, 0, 1, 2), axis=0)]
    options = _convolution_options(node, tfl.Conv2DOptionsT())
    writer.operator(tfl.BuiltinOperator.CONV_2D, inputs, output, tfl.BuiltinOptions.Conv2DOptions, options)


def _depthwise_conv2d(writer: _Writer, node: Node, inputs: list[int], output: int) -> None:
    inputs = [*inputs, *writer.parameters(node, (3, 0, 1, 2), axis=3)]
    options = _convolution_options(node, tfl.DepthwiseConv2DOptionsT())
    options.depthMultiplier = 1
    kind = tfl.BuiltinOptions.DepthwiseConv2DOptions
    writer.operator(tfl.BuiltinOperator.DEPTHWISE_CONV_2D, inputs, output, kind, options)


def _dense(writer: _Writer, node: Node, inputs: list[int], output: int) -> None:
    inputs = [*inputs, *writer.parameters(node, (1, 0), axis=0)]
    options = tfl.FullyConnectedOptionsT()
    options.fusedActivationFunction = ACTIVATIONS[node.activation]
    kind = tfl.BuiltinOptions.FullyConnectedOptions
    writer.operator(tfl.BuiltinOperator.FULLY_CONNECTED, inputs, output, kind, options)


def _add(writer: _Writer, node: Node, inputs: list[int], output: int) -> None:
    options = tfl.AddOptionsT()
    options.fusedActivationFunction = ACTIVATIONS[node.activation]
    writer.operator(tfl.BuiltinOperator.ADD, inputs, output, tfl.BuiltinOptions.AddOptions, options)


def _global_average_pool(writer: _Writer, node: Node, inputs: list[int], output: int) -> None:
    axes = writer.constant(np.array([1, 2], np.int32))
    options = tfl.ReducerOptionsT()
    options.keepDims = False
    writer.operator(
        tfl.BuiltinOperator.MEAN, [*inputs, axes], output, tfl.BuiltinOptions.ReducerOptions, options
    )


def _flatten(writer: _Writer, node: Node, inputs: list[int], output: int) -> None:
    shape = np.array([-1, *node.shape], np.int32)
    options = tfl.ReshapeOptionsT()
    options.newShape = shape
    inputs = [*inputs, writer.constant(shape)]
    writer.operator(tfl.BuiltinOperator.RESHAPE, inputs, output, tfl.BuiltinOptions.ReshapeOptions, options)


_OPERATORS: Mapping[str, Callable[[_Writer, Node, list[int], int], None]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "dense": _dense,
    "add": _add,
    "global_average_pool": _global_average_pool,
    "flatten": _flatten,
}
