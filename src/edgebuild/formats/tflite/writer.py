"""Collects the tensors, constants and operators of one subgraph.

The format is described by the TensorFlow Lite schema (schema.fbs) and its
8-bit quantization specification: kernels symmetric per channel along the
output axis, biases int32 with scale = input scale × kernel scale, activations
asymmetric per tensor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as tfl

from edgebuild.graph.ir import Grid, Node, Weight

__all__ = ["Writer"]

Array = npt.NDArray[np.generic]

TYPES = {"float32": tfl.TensorType.FLOAT32, "float16": tfl.TensorType.FLOAT16, "int4": tfl.TensorType.INT4}
TYPES |= {"int8": tfl.TensorType.INT8, "int32": tfl.TensorType.INT32}

#: builtin operator → the first version of it that takes int8 (per channel where kernels are); 1 without an entry
INT8_VERSIONS = {
    tfl.BuiltinOperator.ADD: 2,
    tfl.BuiltinOperator.CONCATENATION: 2,
    tfl.BuiltinOperator.CONV_2D: 3,
    tfl.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    tfl.BuiltinOperator.FULLY_CONNECTED: 4,
    tfl.BuiltinOperator.LOGISTIC: 2,
    tfl.BuiltinOperator.MAX_POOL_2D: 2,
    tfl.BuiltinOperator.MEAN: 2,
    tfl.BuiltinOperator.MUL: 2,
    tfl.BuiltinOperator.PAD: 2,
    tfl.BuiltinOperator.SOFTMAX: 2,
    tfl.BuiltinOperator.STRIDED_SLICE: 2,
    tfl.BuiltinOperator.TANH: 2,
}
#: type of what DEQUANTIZE reads → the first version that takes it, int8 and int4 per channel
DEQUANTIZE_VERSIONS = {"float16": 3, "int8": 5, "int4": 6}


class Writer:
    """``flexible`` leaves the batch of every tensor that has one open; it is 1 until it is resized."""

    def __init__(self, flexible: bool) -> None:
        self.flexible = flexible
        self.buffers = [tfl.BufferT()]  # buffer 0 is empty by the schema's rule
        self.tensors: list[Any] = []
        self.unpacking: list[Any] = []  # what XNNPACK leaves to LiteRT: first, so that it splits nothing
        self.operators: list[Any] = []
        self.versions: dict[int, int] = {}  # builtin operator → version, in the order of first use
        self.results: dict[str, int] = {}  # node → its tensor

    def activation(self, shape: tuple[int, ...], grid: Grid | None, name: str | None = None) -> int:
        """A tensor with a batch: int8 on ``grid``, float32 without one."""
        index = self._tensor((1, *shape), "float32" if grid is None else "int8")
        tensor = self.tensors[index]
        tensor.name = name
        if grid is not None:
            _quantize(tensor, np.array([grid.scale]), grid.zero_point)
        if self.flexible:
            tensor.shapeSignature = np.array([-1, *shape], np.int32)
        return index

    def constant(self, values: Array, weight: Weight | None = None, axis: int = 0) -> int:
        """A constant tensor; a ``weight`` with scales has them along ``axis`` of ``values``."""
        packed = weight is not None and weight.bits == 4
        index = self._tensor(values.shape, "int4" if packed else values.dtype.name)
        self.tensors[index].buffer = self.buffer(_nibbles(values) if packed else values)
        if weight is not None and weight.scale is not None:
            _quantize(self.tensors[index], weight.scale, 0, axis)
        return index

    def buffer(self, data: Array) -> int:
        """A buffer with the bytes of ``data``, C order."""
        buffer = tfl.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def parameters(self, node: Node, layout: tuple[int, ...], axis: int) -> list[int]:
        """Kernel and bias of ``node``; the kernel's axes reordered by ``layout``, its channels then on ``axis``.

        Where the node computes in float32, what is stored smaller is followed by
        a DEQUANTIZE, which the runtime executes once, when it loads the file.
        """
        indices = []
        for weight, order in ((node.weights["kernel"], layout), (node.weights["bias"], (0,))):
            values = weight.values.transpose(order)
            index = self.constant(values, weight, axis if order is layout else 0)
            if node.grid is None and values.dtype != np.float32:
                index = self.dequantize(index, self._tensor(values.shape, "float32"))
            indices.append(index)
        return indices

    def dequantize(self, source: int, target: int) -> int:
        """From the numbers of tensor ``source`` to float32; gives ``target``."""
        kind = next(name for name, code in TYPES.items() if code == self.tensors[source].type)
        options = tfl.DequantizeOptionsT()
        code = tfl.BuiltinOperator.DEQUANTIZE
        self.operator(code, [source], target, tfl.BuiltinOptions.DequantizeOptions, options)
        self.versions[code] = max(self.versions[code], DEQUANTIZE_VERSIONS[kind])
        return target

    def operator(self, code: int, inputs: list[int], output: int, kind: int = 0, options: Any = None) -> None:
        """Append builtin operator ``code``; ``options`` are of the schema's union member ``kind``."""
        integer = self.tensors[output].type == tfl.TensorType.INT8
        version = INT8_VERSIONS.get(code, 1) if integer else 1
        self.versions[code] = max(self.versions.get(code, 1), version)
        operator = tfl.OperatorT()
        operator.opcodeIndex = list(self.versions).index(code)
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([output], np.int32)
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        unpacks = self.tensors[inputs[0]].type == tfl.TensorType.INT4
        (self.unpacking if unpacks else self.operators).append(operator)

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a tensor that has a batch, without it."""
        return tuple(int(size) for size in self.tensors[index].shape[1:])

    def _tensor(self, shape: tuple[int, ...], kind: str) -> int:
        tensor = tfl.TensorT()
        tensor.shape = np.array(shape, np.int32)
        tensor.type = TYPES[kind]
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def _quantize(tensor: Any, scale: Array, zero_point: int, axis: int = 0) -> None:
    tensor.quantization = tfl.QuantizationParametersT()
    tensor.quantization.scale = scale.astype(np.float32)
    tensor.quantization.zeroPoint = np.full(len(scale), zero_point, np.int64)
    tensor.quantization.quantizedDimension = axis


def _nibbles(values: Array) -> Array:
    """int8 values in [-8, 7] as LiteRT packs INT4: two per byte, the first in the low half."""
    flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8) & 0xF
    padded = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    return np.asarray(padded[::2] | padded[1::2] << 4, np.uint8)
