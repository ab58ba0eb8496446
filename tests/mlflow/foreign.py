"""A .tflite file as another converter writes it: int8 ends, two inputs, two outputs, a signature, no metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl

SCALE = 0.5


def write(path: Path, *, signature: bool = True) -> None:
    """``sum`` = a + b and ``double`` = a + a, on codes of scale 0.5 with shape (1, 3)."""
    names = ["serving_default_a:0", "serving_default_b:0", "PartitionedCall:0", "PartitionedCall:1"]
    subgraph = tfl.SubGraphT()
    subgraph.tensors = [_tensor(name) for name in names]
    subgraph.inputs, subgraph.outputs = [0, 1], [2, 3]
    subgraph.operators = [_add([0, 1], 2), _add([0, 0], 3)]
    code = tfl.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = tfl.BuiltinOperator.ADD
    code.version = 2
    model = tfl.ModelT()
    model.version, model.subgraphs, model.operatorCodes, model.buffers = (
        3,
        [subgraph],
        [code],
        [tfl.BufferT()],
    )
    if signature:
        definition = tfl.SignatureDefT()
        definition.signatureKey, definition.subgraphIndex = "serving_default", 0
        definition.inputs = [_named("a", 0), _named("b", 1)]
        definition.outputs = [_named("sum", 2), _named("double", 3)]
        model.signatureDefs = [definition]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def _tensor(name: str) -> Any:
    tensor = tfl.TensorT()
    tensor.name, tensor.shape, tensor.type = name, np.array([1, 3], np.int32), tfl.TensorType.INT8
    tensor.quantization = tfl.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [SCALE], [0]
    return tensor


def _add(inputs: list[int], output: int) -> Any:
    operator = tfl.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, inputs, [output]
    operator.builtinOptionsType, operator.builtinOptions = tfl.BuiltinOptions.AddOptions, tfl.AddOptionsT()
    return operator


def _named(name: str, index: int) -> Any:
    named = tfl.TensorMapT()
    named.name, named.tensorIndex = name, index
    return named
