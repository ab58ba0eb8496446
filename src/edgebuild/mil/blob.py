"""Constants in weight.bin: Core ML's blob storage format, version 2, little-endian.

::

    file      uint32 count, uint32 version = 2, zeros up to byte 64
    metadata  uint32 sentinel = 0xDEADBEEF, uint32 element type, uint64 size in bytes,
              uint64 offset of the data, zeros up to 64 bytes; at a multiple of 64
    data      the elements in C order, at a multiple of 64

A program refers to a constant by the offset of its metadata. The layout is
that of ``MILBlob/Blob/StorageFormat.hpp`` in coremltools.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from edgebuild.errors import DataError
from edgebuild.mil.program import Array, TensorType

__all__ = ["check_header", "read"]

_ALIGNMENT = 64
_SENTINEL = 0xDEADBEEF
_VERSION = 2

#: Element type codes that the evaluator can use; sub-byte types are not among them.
_TYPES = {
    1: "float16",
    2: "float32",
    3: "uint8",
    4: "int8",
    6: "int16",
    7: "uint16",
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
    sentinel, code, size, start = struct.unpack_from("<IIQQ", data, offset)
    if sentinel != _SENTINEL:
        raise refuse(f"metadata at byte {offset} must begin with {_SENTINEL:#x}, found {sentinel:#x}")
    if _TYPES.get(code) != expected.dtype:
        raise refuse(
            f"the program declares {expected}, the weights hold {_TYPES.get(code, f'element type {code}')}"
        )
    wanted = math.prod(expected.shape) * np.dtype(expected.dtype).itemsize
    if size != wanted:
        raise refuse(f"{expected} needs {wanted} bytes, the weights declare {size}")
    if start % _ALIGNMENT or start < offset + _ALIGNMENT or start + size > len(data):
        raise refuse(
            f"data at bytes {start} to {start + size} of {len(data)}, outside the file or misaligned"
        )
    dtype = np.dtype(expected.dtype).newbyteorder("<")
    return np.frombuffer(data, dtype, math.prod(expected.shape), start).reshape(expected.shape)
