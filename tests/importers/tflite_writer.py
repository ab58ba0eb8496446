"""Writes .tflite files for tests, operator by operator, with the schema's own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl


class Net:
    """Every method adds one operator and returns the number of the tensor that it makes."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.generator = np.random.default_rng(0)
        self.buffers = [tfl.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[int] = []
        self.image = self.tensor((1, *shape), "image")

    def tensor(self, shape: tuple[int, ...], name: str, values: np.ndarray | None = None) -> int:
        tensor = tfl.TensorT()
        tensor.name, tensor.shape = name, np.array(shape, np.int32)
        tensor.type = (
            tfl.TensorType.FLOAT32 if values is None or values.dtype == np.float32 else tfl.TensorType.INT32
        )
        tensor.buffer = 0
        if values is not None:
            buffer = tfl.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(
        self,
        op: str,
        inputs: list[int],
        shape: tuple[int, ...],
        name: str,
        kind: int = 0,
        options: Any = None,
    ) -> int:
        code = getattr(tfl.BuiltinOperator, op)
        if code not in self.codes:
            self.codes.append(code)
        made = tfl.OperatorT()
        made.opcodeIndex = self.codes.index(code)
        made.inputs = np.array(inputs, np.int32)
        output = self.tensor(shape, name or f"{op}_{len(self.operators)}")
        made.outputs = np.array([output], np.int32)
        made.builtinOptionsType, made.builtinOptions = kind, options
        self.operators.append(made)
        return output

    def conv(self, source: int, outputs: int, activation: int = 0, dilation: int = 1, name: str = "") -> int:
        """A 1×1 convolution."""
        shape = tuple(self.tensors[source].shape)
        kernel = self.generator.normal(0, 3, (outputs, 1, 1, shape[3])).astype(np.float32)
        bias = self.generator.normal(0, 1, outputs).astype(np.float32)
        inputs = [source, self.tensor(kernel.shape, "", kernel), self.tensor(bias.shape, "", bias)]
        options = tfl.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = tfl.Padding.VALID, 1, 1
        options.dilationHFactor = options.dilationWFactor = dilation
        options.fusedActivationFunction = activation
        kind = tfl.BuiltinOptions.Conv2DOptions
        return self.operator("CONV_2D", inputs, (*shape[:3], outputs), name, kind, options)

    def flat(self, source: int) -> int:
        shape = tuple(self.tensors[source].shape)
        dims = np.array([1, np.prod(shape)], np.int32)
        return self.operator("RESHAPE", [source, self.tensor((2,), "", dims)], tuple(dims), "")

    def unary(self, op: str, source: int, name: str) -> int:
        return self.operator(op, [source], tuple(self.tensors[source].shape), name)

    def binary(self, op: str, one: int, other: int, name: str) -> int:
        return self.operator(op, [one, other], tuple(self.tensors[one].shape), name)

    def write(self, path: Path, output: int) -> Path:
        graph = tfl.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = np.array([self.image], np.int32), np.array([output], np.int32)
        model = tfl.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = []
        for code in self.codes:
            stated = tfl.OperatorCodeT()
            stated.builtinCode, stated.deprecatedBuiltinCode, stated.version = code, min(code, 127), 1
            model.operatorCodes.append(stated)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path
