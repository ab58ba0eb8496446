"""From the bytes of an .mlpackage to a :class:`Program`, checking every claim on the way.

Only the protobuf classes of coremltools are used, so what is read is what the
file says and not what a converter made of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from edgebuild.errors import DataError, GraphError
from edgebuild.mil import blob, package, proto
from edgebuild.mil.program import (
    UNKNOWN,
    Argument,
    Array,
    Function,
    Operation,
    Program,
    Reference,
    TensorType,
    Value,
)

__all__ = ["parse", "read"]

#: MIL's data type → the name in :class:`TensorType`. 64-bit types do not occur in what Core ML executes.
_DTYPES = {
    "BOOL": "bool",
    "STRING": "string",
    "FLOAT16": "float16",
    "FLOAT32": "float32",
    "INT4": "int4",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "UINT1": "uint1",
    "UINT2": "uint2",
    "UINT3": "uint3",
    "UINT4": "uint4",
    "UINT6": "uint6",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
}

#: Field of a TensorValue → the type of its items; "bytes" holds raw little-endian elements.
_FIELDS = {"floats": np.float32, "ints": np.int32, "bools": np.bool_}


def read(path: Path) -> Program:
    """Read the package at ``path``.

    Raises:
        DataError: the package is damaged or contradicts itself.
        GraphError: it is intact and holds something that cannot be represented here.
    """
    specification, weights = package.read(path)
    return parse(specification, weights, path.name)


def parse(specification: bytes, weights: bytes, file: str) -> Program:
    """The program in a serialized specification; ``file`` names it in messages."""
    model = proto.model_pb2().Model()
    try:
        model.ParseFromString(specification)
    except DecodeError as error:
        raise DataError(
            f"{file}: model.mlmodel is not a Core ML specification ({error}); export it again"
        ) from None
    if model.WhichOneof("Type") != "mlProgram":
        raise GraphError(
            f"{file} must hold an ML Program, found {model.WhichOneof('Type')}; convert to mlprogram"
        )
    if "main" not in model.mlProgram.functions:
        raise DataError(f"{file} has no function main; export it again")
    if weights:
        blob.check_header(weights, file)
    metadata = model.description.metadata
    program = Program(
        functions={
            name: _Reader(weights, f"{file}, function {name}").function(function)
            for name, function in model.mlProgram.functions.items()
        },
        specification=model.specificationVersion,
        description=metadata.shortDescription,
        metadata=dict(metadata.userDefined),
    )
    for kind, described, names in (
        ("inputs", model.description.input, tuple(program.main.inputs)),
        ("outputs", model.description.output, program.main.outputs),
    ):
        if [feature.name for feature in described] != list(names):
            listed = [feature.name for feature in described]
            raise DataError(
                f"{file}: the description lists {kind} {listed}, the program {list(names)}; export it again"
            )
    return program


class _Reader:
    """Reads one function; holds the weights and the place, for messages."""

    def __init__(self, weights: bytes, place: str) -> None:
        self.weights = weights
        self.place = place

    def function(self, function: Any) -> Function:
        block = function.block_specializations.get(function.opset)
        if block is None:
            raise DataError(f"{self.place}: no block for its opset {function.opset!r}; export it again")
        inputs = {
            item.name: self.type(item.type, f"{self.place}, input {item.name}") for item in function.inputs
        }
        operations = tuple(self.operation(item, index) for index, item in enumerate(block.operations))
        self.check_names(inputs, operations, tuple(block.outputs))
        return Function(inputs, operations, tuple(block.outputs))

    def check_names(
        self, inputs: Iterable[str], operations: Iterable[Operation], outputs: tuple[str, ...]
    ) -> None:
        known = set(inputs)
        for operation in operations:
            for argument in operation.inputs.values():
                for item in argument:
                    if isinstance(item, Reference) and item.name not in known:
                        raise DataError(
                            f"{operation.location} reads {item.name!r}, which nothing before it produces"
                        )
            for name, _ in operation.outputs:
                if name in known:
                    raise DataError(f"{operation.location} produces {name!r} a second time")
                known.add(name)
        for name in outputs:
            if name not in known:
                raise DataError(f"{self.place} returns {name!r}, which nothing produces")

    def operation(self, item: Any, index: int) -> Operation:
        label = (
            item.attributes["name"].immediateValue.tensor.strings.values if "name" in item.attributes else ()
        )
        name = label[0] if label else ""
        place = f"{self.place}, operation {index} ({item.type} {name!r})"
        if item.blocks:
            raise GraphError(f"{place} has nested blocks; only straight-line programs can be evaluated")
        inputs: dict[str, Argument] = {}
        for key, argument in item.inputs.items():
            inputs[key] = tuple(
                Reference(binding.name)
                if binding.WhichOneof("binding") == "name"
                else self.value(binding.value, f"{place}, parameter {key}")
                for binding in argument.arguments
            )
        for key, value in item.attributes.items():  # const and constexpr carry their constants as attributes
            if key != "name":
                inputs[key] = (self.value(value, f"{place}, attribute {key}"),)
        outputs = tuple((output.name, self.type(output.type, f"{place}, output")) for output in item.outputs)
        if item.type == "const" and "val" in item.attributes:
            held = self.type(item.attributes["val"].type, f"{place}, attribute val")
            if [kind for _, kind in outputs] != [held]:
                raise DataError(f"{place} holds {held} and declares {outputs[0][1]}; export it again")
        return Operation(item.type, name, dict(sorted(inputs.items())), outputs, place)

    def type(self, item: Any, place: str) -> TensorType:
        if item.WhichOneof("type") != "tensorType":
            raise GraphError(f"{place} is a {item.WhichOneof('type')}; only tensors can be evaluated")
        tensor = item.tensorType
        code = proto.mil_pb2().DataType.Name(tensor.dataType)
        if code not in _DTYPES:
            raise GraphError(f"{place} has element type {code}; known are {', '.join(_DTYPES)}")
        if any(dimension.unknown.variadic for dimension in tensor.dimensions):
            raise GraphError(f"{place} has an unknown number of axes; export with a fixed rank")
        if tensor.rank != len(tensor.dimensions):
            raise DataError(
                f"{place}: rank {tensor.rank} with {len(tensor.dimensions)} dimensions; export it again"
            )
        sizes = (
            int(item.constant.size) if item.WhichOneof("dimension") == "constant" else UNKNOWN
            for item in tensor.dimensions
        )
        return TensorType(_DTYPES[code], tuple(sizes))

    def value(self, item: Any, place: str) -> Value:
        expected = self.type(item.type, place)
        if UNKNOWN in expected.shape:
            raise DataError(f"{place} is a constant of unknown shape {expected}; export it again")
        if item.WhichOneof("value") == "blobFileValue":
            if item.blobFileValue.fileName != package.WEIGHT_URI:
                raise DataError(
                    f"{place} lies in {item.blobFileValue.fileName!r}; expected {package.WEIGHT_URI!r}"
                )
            if expected.dtype == "string":
                raise DataError(f"{place}: strings cannot lie in the weight file; export it again")
            return blob.read(self.weights, item.blobFileValue.offset, expected, place)
        field = item.immediateValue.tensor.WhichOneof("value")
        if field is None:
            raise GraphError(f"{place} holds no tensor; lists, tuples and dictionaries cannot be evaluated")
        values = getattr(item.immediateValue.tensor, field).values
        if expected.dtype == "string":
            if field != "strings" or expected.shape or len(values) != 1:
                raise GraphError(f"{place} must be one string, found {expected} with {len(values)} {field}")
            return str(values[0])
        return _immediate(values, field, expected, place)


def _immediate(values: Any, field: str, expected: TensorType, place: str) -> Array:
    """A small constant written into the specification itself."""
    dtype = np.dtype(expected.held)
    if field == "bytes":
        if expected.bits < 8:
            return blob.unpack(values, expected, place)
        if len(values) % dtype.itemsize:
            raise DataError(
                f"{place}: {len(values)} bytes are no whole number of {dtype} elements; export it again"
            )
        array: Array = np.frombuffer(values, dtype.newbyteorder("<"))
    elif field in _FIELDS:
        array = np.array(values, _FIELDS[field])
        if array.dtype.kind != dtype.kind and (array.dtype.kind, dtype.kind) != ("i", "u"):
            raise DataError(f"{place} declares {expected} and holds {field}; export it again")
        array = array.astype(dtype)
    else:
        raise GraphError(f"{place}: constants stored as {field} cannot be evaluated")
    if array.size != math.prod(expected.shape):
        raise DataError(f"{place} declares {expected} and holds {array.size} elements; export it again")
    return array.reshape(expected.shape)
