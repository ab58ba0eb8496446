"""What a TFLite file holds: operators by index, code and what they compute, tensors by the operators that use them.

The tables are those of TensorFlow's schema.fbs. Files that are made small have
no names in them; a constant is then called by its first reader.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgebuild.build.verify.protobuf import Pairs

__all__ = ["tflite"]

#: Fields that say where something lies in the file, which is told otherwise here.
LAYOUT = ("buffer", "buffers", "opcodeIndex", "operatorCodes", "subgraphs", "metadata", "metadataBuffer")
#: Arrays of these are numbers of the model; other arrays in tables are its structure.
GRID = ("scale", "zeroPoint", "min", "max")
#: schema.fbs's types of elements as numpy has them; others stay bytes
TYPES = {
    "FLOAT32": np.float32, "FLOAT16": np.float16, "FLOAT64": np.float64, "INT8": np.int8, "UINT8": np.uint8,
    "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "BOOL": np.bool_,
}  # fmt: skip


def tflite(path: Path) -> Pairs:
    """Every field of every table, the buffers as arrays, and what is in the zip archive at the end."""
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    codes = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    types = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    yield from _table("", model)
    for number, subgraph in enumerate(model.subgraphs):
        prefix = f"subgraph {number}: " if len(model.subgraphs) > 1 else ""
        names = _names(
            subgraph,
            [codes.get(model.operatorCodes[o.opcodeIndex].builtinCode, "?") for o in subgraph.operators],
        )
        for index, operator in enumerate(subgraph.operators):
            code = model.operatorCodes[operator.opcodeIndex]
            place = f"{prefix}operator {index} {codes.get(code.builtinCode, '?')}"
            yield f"{place}.code", [code.builtinCode, code.version, _text(code.customCode)]
            yield from _table(place, operator)
        for name, tensor in zip(names, subgraph.tensors, strict=True):
            kind = types.get(tensor.type, str(tensor.type))
            yield f"{prefix}{name}.kind", kind
            yield from _table(f"{prefix}{name}", tensor)
            if (data := _buffer(model, tensor.buffer)) is not None:
                yield f"{prefix}{name}", _elements(data, kind, tensor.shape)
        yield f"{prefix}inputs", _list(subgraph.inputs)
        yield f"{prefix}outputs", _list(subgraph.outputs)
        yield f"{prefix}name", _text(subgraph.name)
    for entry in model.metadata or ():
        yield f"metadata {_text(entry.name)}", _buffer(model, entry.buffer)
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield f"associated file {member}", archive.read(member).decode(errors="backslashreplace")


def _names(subgraph: Any, codes: list[str]) -> list[str]:
    """A name for every tensor: its own, or what makes it, or what reads it first."""
    names: dict[int, str] = {}
    for index, (operator, code) in enumerate(zip(subgraph.operators, codes, strict=True)):
        for kind, tensors in (("output", operator.outputs), ("input", operator.inputs)):
            for position, tensor in enumerate(_list(tensors)):
                names.setdefault(tensor, f"{kind} {position} of operator {index} {code}")
    return [
        f"tensor {index} {_text(tensor.name) or names.get(index, '(unused)')}"
        for index, tensor in enumerate(subgraph.tensors)
    ]


def _table(key: str, table: Any) -> Pairs:
    for field, value in vars(table).items():
        if value is None or field in LAYOUT:
            continue
        name = f"{key}.{field}" if key else field
        if isinstance(value, bytes):
            yield name, _text(value)
        elif isinstance(value, np.ndarray):
            yield name, value if field in GRID else value.tolist()
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if hasattr(item, "__dict__"):
                    yield from _table(f"{name}[{index}]", item)
                else:
                    yield f"{name}[{index}]", _text(item) if isinstance(item, bytes) else item
        elif hasattr(value, "__dict__"):
            yield from _table(name, value)
        else:
            yield name, value


def _buffer(model: Any, index: int) -> np.ndarray[Any, Any] | None:
    data = model.buffers[index].data
    return None if data is None or not len(data) else np.asarray(data, np.uint8)


def _elements(data: np.ndarray[Any, Any], kind: str, shape: Any) -> np.ndarray[Any, Any]:
    """A buffer's elements in the tensor's shape; of 4-bit integers two are in a byte, the first in its low half."""
    sizes = _list(shape)
    count = int(np.prod(sizes))
    if kind == "INT4" and len(data) == (count + 1) // 2:
        halves = np.stack([data & 15, data >> 4], axis=1).reshape(-1)[:count].astype(np.int8)
        return np.where(halves > 7, halves - 16, halves).astype(np.int8).reshape(sizes)
    if kind in TYPES and len(data) == np.dtype(TYPES[kind]).itemsize * count:
        return data.view(TYPES[kind]).reshape(sizes)
    return data


def _list(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]


def _text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value or ""
