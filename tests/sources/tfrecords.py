"""TFRecord files for tests, written byte by byte (the reader is held to TensorFlow elsewhere)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgebuild.sources.records import crc32c, masked

Value = bytes | Sequence[float] | Sequence[int]


def example(**features: Value) -> bytes:
    """A serialized ``tf.train.Example``: bytes, whole numbers, or else floats; ``__`` in a name stands for ``/``."""
    entries = [
        _field(1, _field(1, name.replace("__", "/").encode()) + _field(2, _feature(value)))
        for name, value in features.items()
    ]
    return _field(1, b"".join(entries))


def write(path: Path, examples: Sequence[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(framed, examples)))
    return path


def framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(crc32c(length))) + data + struct.pack("<I", masked(crc32c(data)))


def _feature(value: Value) -> bytes:
    if isinstance(value, bytes):
        return _field(1, _field(1, value))
    if all(isinstance(number, int) for number in value):
        return _field(3, _field(1, b"".join(_varint(int(number) % 2**64) for number in value)))
    return _field(2, _field(1, np.array(value, "<f4").tobytes()))


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = []
    while True:
        value, low = value >> 7, value & 127
        parts.append(low | (128 if value else 0))
        if not value:
            return bytes(parts)
