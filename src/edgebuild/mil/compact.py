"""The same program in fewer bytes: what a saved specification repeats is said once.

coremltools writes every parameter of every operation as a constant of its own,
with a long name that stands there twice, and every vector of ten numbers or
more into the weight file, where it takes 128 bytes at least. Here

* constants of equal type and value become one, which all readers share;
* those written into the specification get names of two or three letters
  (constants in the weight file keep theirs, which say whose they are);
* vectors of at most 256 bytes (biases, scales) move into the specification,
  where all int32 vectors of a program for iOS 16 or 17 are; matrices stay outside;
* equal contents of the weight file are stored once.

No operation is changed, moved or dropped, and no number.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

from edgebuild.mil import proto

__all__ = ["compact"]

#: Largest vector, in bytes, that the specification holds itself.
INLINE = 256

_ALIGNMENT = 64
_SIZE, _START = 8, 16  # where a constant's metadata say how many bytes it has, and where they lie
#: Parameters of constexpr operations that are as large as the kernel.
_BULK = ("quantized_data", "data", "nonzero_data", "mask", "data_mask")


def compact(program: Any, weights: bytes) -> bytes:
    """Shorten ``program``, a MIL.proto Program, in place.

    Args:
        weights: the weight file that it refers to, of blob storage version 2.

    Returns:
        The weight file that it refers to now; empty where nothing is left in it.
    """
    kept = _WeightFile()
    for function in program.functions.values():
        block = function.block_specializations[function.opset]
        for operation in block.operations:
            for parameter, value in _values(operation):
                if value.WhichOneof("value") != "blobFileValue":
                    continue
                offset = value.blobFileValue.offset
                if parameter not in _BULK and _inline(value, weights, offset):
                    continue
                value.blobFileValue.offset = kept.add(weights, offset)
        _share(function, block)
    return kept.content()


class _WeightFile:
    """A weight file under construction, in which equal constants share one place."""

    def __init__(self) -> None:
        self.parts = bytearray(_ALIGNMENT)
        self.places: dict[bytes, int] = {}

    def add(self, source: bytes, offset: int) -> int:
        """Copy the constant whose metadata lie at ``offset`` of ``source``; the offset of its copy."""
        metadata, data = source[offset : offset + _ALIGNMENT], _data(source, offset)
        key = hashlib.sha256(metadata[:_START] + metadata[_START + 8 :] + data).digest()
        if key not in self.places:
            self.parts += bytes(-len(self.parts) % _ALIGNMENT)
            self.places[key] = place = len(self.parts)
            self.parts += metadata[:_START]
            self.parts += struct.pack("<Q", place + _ALIGNMENT)
            self.parts += metadata[_START + 8 :]
            self.parts += data
        return self.places[key]

    def content(self) -> bytes:
        if not self.places:
            return b""
        struct.pack_into("<II", self.parts, 0, len(self.places), 2)
        return bytes(self.parts)


def _values(operation: Any) -> Iterator[tuple[str, Any]]:
    """Every constant that ``operation`` holds itself, with the parameter it is given for."""
    yield from ((key, value) for key, value in operation.attributes.items() if key != "name")
    for key, argument in operation.inputs.items():
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "value":
                yield key, binding.value


def _data(weights: bytes, offset: int) -> bytes:
    size, start = struct.unpack_from("<QQ", weights, offset + _SIZE)
    return weights[start : start + size]


def _inline(value: Any, weights: bytes, offset: int) -> bool:
    """Write a small vector of float32 or float16 into the specification. Was it one?"""
    tensor, data = value.type.tensorType, _data(weights, offset)
    sizes = [dimension.constant.size for dimension in tensor.dimensions]
    kind = proto.mil_pb2().DataType.Name(tensor.dataType)
    if len(data) > INLINE or sum(size > 1 for size in sizes) > 1 or kind not in ("FLOAT32", "FLOAT16"):
        return False
    if kind == "FLOAT32":
        value.immediateValue.tensor.floats.values.extend(struct.unpack(f"<{len(data) // 4}f", data))
    else:
        value.immediateValue.tensor.bytes.values = data
    return True


def _share(function: Any, block: Any) -> None:
    """One const operation for each constant, named briefly unless its numbers lie in the weight file."""
    taken = {item.name for item in function.inputs} | set(block.outputs)
    taken |= {item.name for operation in block.operations for item in operation.outputs}
    short = (name for name in _short_names() if name not in taken)
    seen: dict[bytes, str] = {}
    renamed: dict[str, str] = {}
    operations = list(block.operations)
    kept = []
    for operation in operations:
        if operation.type != "const":
            kept.append(operation)
            continue
        value, output = operation.attributes["val"], operation.outputs[0]
        key = value.SerializeToString(deterministic=True)
        if key in seen:
            renamed[output.name] = seen[key]
            continue
        old, named = output.name, operation.attributes["name"].immediateValue.tensor.strings
        if value.WhichOneof("value") == "immediateValue":
            output.name = named.values[0] = next(short)
        seen[key] = renamed[old] = output.name
        kept.append(operation)
    for operation in kept:
        for argument in operation.inputs.values():
            for binding in argument.arguments:
                if binding.WhichOneof("binding") == "name":
                    binding.name = renamed.get(binding.name, binding.name)
    copies = [type(operation).FromString(operation.SerializeToString()) for operation in kept]
    del block.operations[:]
    block.operations.extend(copies)


def _short_names() -> Iterator[str]:
    """c0, c1, c2, …"""
    count = 0
    while True:
        yield f"c{count}"
        count += 1
