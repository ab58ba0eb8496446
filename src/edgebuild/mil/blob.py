"""Constants in weight.bin: Core ML's blob storage format, version 2, little-endian.

::

    file      uint32 count, uint32 version = 2, zeros up to byte 64
    metadata  uint32 sentinel = 0xDEADBEEF, uint32 element type, uint64 size in bytes,
              uint64 offset of the data, uint64 unused bits at the end of the data,
              zeros up to 64 bytes; at a multiple of 64
    data      the elements in C order, at a multiple of 64

Elements of less than a byte follow one another without gaps, the first in the
lowest bits, and may straddle bytes; unused bits at the end are zero.

A program refers to a constant by the offset of its metadata. The layout is
that of ``MILBlob/Blob/StorageFormat.hpp`` in coremltools.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from edgebuild.errors import DataError
from edgebuild.mil.program import Array, TensorType

__all__ = ["check_header", "read", "unpack"]

_ALIGNMENT = 64
_SENTINEL = 0xDEADBEEF
_VERSION = 2

#: Element type codes; bfloat16 (5) and the 8-bit floats (16, 17) have no numpy type and are not among them.
_TYPES = {
    1: "float16",
    2: "float32",
    3: "uint8",
    4: "int8",
    6: "int16",
    7: "uint16",
    8: "int4",
    9: "uint1",
    10: "uint2",
    11: "uint4",
    12: "uint3",
    13: "uint6",
    14: "int32",
    15: "uint32",
}


def check_header(data: bytes, file: str) -> None:
    """Refuse a file that is not blob storage of version 2.

    Raises:
        DataError: too short, or another version.
    """
    if len(data) < _ALIGNMENT:
        raise DataError(
            f"{file}: weights need a header of {_ALIGNMENT} bytes, found {len(data)}; export it again"
        )
    version = struct.unpack_from("<I", data, 4)[0]
    if version != _VERSION:
        raise DataError(
            f"{file}: weights must be blob storage version {_VERSION}, found {version}; export it again"
        )


def read(data: bytes, offset: int, expected: TensorType, where: str) -> Array:
    """The constant whose metadata lies at ``offset``: a read-only view of ``data``.

    Args:
        data: the whole file.
        offset: of the metadata, in bytes.
        expected: what the program declares.
        where: file and operation, for messages.

    Raises:
        DataError: the metadata contradicts the program or itself, or the data ends early.
    """

    def refuse(what: str) -> DataError:
        return DataError(f"{where}: {what}; the file is damaged, export it again")

    if offset % _ALIGNMENT or not _ALIGNMENT <= offset <= len(data) - _ALIGNMENT:
        raise refuse(
            f"metadata at byte {offset} of {len(data)}, not a multiple of {_ALIGNMENT} inside the file"
        )
    sentinel, code, size, start, unused = struct.unpack_from("<IIQQQ", data, offset)
    if sentinel != _SENTINEL:
        raise refuse(f"metadata at byte {offset} must begin with {_SENTINEL:#x}, found {sentinel:#x}")
    if _TYPES.get(code) != expected.dtype:
        raise refuse(
            f"the program declares {expected}, the weights hold {_TYPES.get(code, f'element type {code}')}"
        )
    count = math.prod(expected.shape)
    wanted = -(-count * expected.bits // 8)
    if size != wanted:
        raise refuse(f"{expected} needs {wanted} bytes, the weights declare {size}")
    if unused != 8 * wanted - count * expected.bits:
        raise refuse(f"{expected} leaves {8 * wanted - count * expected.bits} bits unused, found {unused}")
    if start % _ALIGNMENT or start < offset + _ALIGNMENT or start + size > len(data):
        raise refuse(
            f"data at bytes {start} to {start + size} of {len(data)}, outside the file or misaligned"
        )
    if expected.bits < 8:
        return unpack(data[start : start + size], expected, where)
    dtype = np.dtype(expected.dtype).newbyteorder("<")
    return np.frombuffer(data, dtype, count, start).reshape(expected.shape)


def unpack(data: bytes, expected: TensorType, where: str) -> Array:
    """Elements of less than a byte, spread to one byte each: uint8, or int8 for "int4".

    Raises:
        DataError: too many or too few bytes, or unused bits that are not zero.
    """
    count = math.prod(expected.shape)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    used = count * expected.bits
    if len(data) != -(-used // 8) or bits[used:].any():
        raise DataError(
            f"{where}: {expected} needs {-(-used // 8)} bytes with zeros after bit {used}, found {len(data)} "
            "bytes or other bits; the file is damaged, export it again"
        )
    places = 1 << np.arange(expected.bits, dtype=np.uint8)
    elements = bits[:used].reshape(count, expected.bits) @ places
    if expected.held == "int8":
        half = 1 << (expected.bits - 1)
        return ((elements.astype(np.int8) ^ half) - half).astype(np.int8).reshape(expected.shape)
    return elements.astype(np.uint8).reshape(expected.shape)
