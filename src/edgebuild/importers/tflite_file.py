"""Opens a .tflite file and takes it apart: verified by LiteRT, operators with their options by name, constants.

The schema: https://github.com/google-ai-edge/LiteRT, schema.fbs. A file may keep
its weights in float16 or in int8 and turn them into float32 when it is loaded
(DEQUANTIZE of a constant): they are read as the numbers that they stand for.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.importers.quiet import native_stderr_dropped

__all__ = ["TFLiteFile", "TFLiteNode", "read"]

Array = npt.NDArray[Any]

#: What reading a file that is none may end with.
_MALFORMED = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, struct.error)


@dataclass(frozen=True)
class TFLiteNode:
    """One operator; ``inputs`` are numbers of tensors, -1 for one that is left out."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class TFLiteFile:
    """A file with one image as input and one output; tensors are numbered.

    ``dims`` are those of the input, None for an open batch. ``quantized`` names
    the activations that are not float32.
    """

    nodes: tuple[TFLiteNode, ...]
    names: tuple[str, ...]
    constants: Mapping[int, Array]
    input: int
    dims: tuple[int | None, ...]
    output: int
    quantized: tuple[str, ...]


def read(path: Path) -> TFLiteFile:
    """Open ``path``.

    Raises:
        DataError: it is damaged, or is not from one input to one output.
    """
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise DataError(f"{path} is no TFLite file: it does not begin as one; it may be incomplete")
    _verify(content, path)
    from ai_edge_litert import schema_py_generated as tfl

    try:
        model = tfl.ModelT.InitFromObj(tfl.Model.GetRootAs(content))
        return _file(tfl, model, path)
    except _MALFORMED as error:
        raise DataError(f"{path} is a damaged TFLite file: {error}") from None


def _verify(content: bytes, path: Path) -> None:
    """LiteRT checks every offset in the file, which the schema's own classes do not."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with native_stderr_dropped():
            Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    except (ValueError, RuntimeError) as error:
        raise DataError(f"LiteRT refuses {path}: {error}") from None


def _file(tfl: Any, model: Any, path: Path) -> TFLiteFile:
    graph = model.subgraphs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise DataError(
            f"{path} has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one of each; convert the "
            f"network from one image to its logits"
        )
    kinds = {
        tfl.TensorType.FLOAT32: np.float32,
        tfl.TensorType.FLOAT16: np.float16,
        tfl.TensorType.INT8: np.int8,
        tfl.TensorType.INT32: np.int32,
        tfl.TensorType.INT64: np.int64,
    }
    integer = (tfl.TensorType.INT8, tfl.TensorType.UINT8, tfl.TensorType.INT16, tfl.TensorType.INT4)
    ops = {code: name for name, code in vars(tfl.BuiltinOperator).items() if isinstance(code, int)}
    nodes = tuple(_node(model, ops, operator) for operator in graph.operators)
    names = tuple((tensor.name or b"").decode(errors="replace") for tensor in graph.tensors)
    constants: dict[int, Array] = {}
    integers = set()
    unpacked = {number for node in nodes if node.op == "DEQUANTIZE" for number in node.inputs}
    for number, tensor in enumerate(graph.tensors):
        buffer = model.buffers[tensor.buffer]
        if buffer.offset > 1:
            raise DataError(f"{path} is larger than 2 GB, which is not read; no device would run it")
        if buffer.data is None or not len(buffer.data):
            integers |= {number} if tensor.type in integer else set()
        elif tensor.type in integer and tensor.type not in kinds:
            integers.add(number)
        elif tensor.type not in kinds:
            raise DataError(
                f"{path}: the constant {names[number]!r} has type {tensor.type} of the schema; only float32 "
                f"networks are read"
            )
        else:
            shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
            values = np.frombuffer(np.asarray(buffer.data, np.uint8).tobytes(), kinds[tensor.type])
            constants[number] = _real(values.reshape(shape), tensor.quantization)
            if values.dtype == np.int8 and number not in unpacked:
                integers.add(number)
    read_or_made = {number for node in nodes for number in (*node.inputs, *node.outputs)}
    if not read_or_made <= set(range(-1, len(names))) or not all(node.outputs for node in nodes):
        raise ValueError("an operator reads or makes a tensor that is not there")
    image = graph.tensors[graph.inputs[0]]
    dims = [int(side) for side in image.shape]
    if image.shapeSignature is not None and len(image.shapeSignature) == len(dims):
        dims = [int(side) for side in image.shapeSignature]
    return TFLiteFile(
        nodes,
        names,
        constants,
        int(graph.inputs[0]),
        tuple(None if side < 0 else side for side in dims),
        int(graph.outputs[0]),
        tuple(names[number] or f"number {number}" for number in sorted(integers & read_or_made)),
    )


def _real(values: Array, quantization: Any) -> Array:
    """The real numbers of an int8 constant with a scale; others as they are.

    The file format's quantization: ``real = scale · (code - zero point)``, per tensor or along one axis.
    """
    if values.dtype != np.int8 or quantization is None or quantization.scale is None:
        return values
    scale = np.asarray(quantization.scale, np.float32)
    zero = np.asarray(0 if quantization.zeroPoint is None else quantization.zeroPoint, np.int64)
    if scale.size > 1:
        shape = [1] * values.ndim
        shape[quantization.quantizedDimension] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero
    return np.asarray(scale * (values.astype(np.int64) - zero), np.float32)


def _node(model: Any, ops: Mapping[int, str], operator: Any) -> TFLiteNode:
    code = model.operatorCodes[operator.opcodeIndex]
    name = ops.get(max(code.builtinCode, code.deprecatedBuiltinCode), "unknown")
    if name == "CUSTOM":
        name = f"CUSTOM {(code.customCode or b'').decode(errors='replace')}"
    options = operator.builtinOptions
    inputs = () if operator.inputs is None else tuple(map(int, operator.inputs))
    attributes = {} if options is None else dict(vars(options))
    return TFLiteNode(name, inputs, tuple(map(int, operator.outputs)), attributes)
