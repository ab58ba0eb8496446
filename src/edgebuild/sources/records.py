"""TFRecord files without TensorFlow, whose import would cost the stage ten seconds.

A file is a sequence of ``length, crc(length), data, crc(data)`` with uint64 and
uint32 numbers in little-endian order (TensorFlow, "TFRecord and
tf.train.Example", section "TFRecords format details"; the masked CRC-32C of
LevelDB's log format). Each record is a serialized ``tf.train.Example``, a map
from names to lists of bytes, floats or integers, which the protobuf package
reads by the schema of ``tensorflow/core/example/example.proto``.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError

__all__ = ["Feature", "crc32c", "examples", "masked", "records"]

#: The values of one feature: bytes objects, float32 or int64 ``(n,)``.
Feature = tuple[bytes, ...] | npt.NDArray[np.float32] | npt.NDArray[np.int64]

BLOCK = 4096  #: bytes that one step of the checksum takes in
LARGEST = 1 << 31  #: bytes of a record; protobuf holds no more


def examples(path: Path) -> Iterator[Mapping[str, Feature]]:
    """The features of each example of a TFRecord file, gzipped or not.

    Raises:
        DataError: as :func:`records`; or a record is no ``tf.train.Example``.
    """
    message, error = _schema()
    for number, record in enumerate(records(path)):
        try:
            example = message.FromString(record)
        except error:
            raise DataError(
                f"{path}: record {number} is no tf.train.Example; write the file with "
                f"tf.train.Example(...).SerializeToString()"
            ) from None
        yield {name: _values(feature) for name, feature in example.features.feature.items()}


def records(path: Path) -> Iterator[bytes]:
    """The records of a file, each checked against its checksum.

    Raises:
        DataError: the file cannot be read, is no TFRecord file, or is damaged or truncated.
    """
    number = 0
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
            while head := stream.read(12):
                if len(head) < 12:
                    what = (
                        f"is truncated in the middle of record {number}" if number else "is no TFRecord file"
                    )
                    raise DataError(f"{path} {what}; copy it again")
                length, length_crc = struct.unpack("<QI", head)
                if masked(crc32c(head[:8])) != length_crc or length > LARGEST:
                    what = f"is damaged at record {number}" if number else "is no TFRecord file"
                    raise DataError(f"{path} {what}: a length does not fit its checksum; write it again")
                data, tail = stream.read(length), stream.read(4)
                if len(data) < length or len(tail) < 4:
                    raise DataError(f"{path} is truncated in the middle of record {number}; copy it again")
                if masked(crc32c(data)) != struct.unpack("<I", tail)[0]:
                    raise DataError(
                        f"{path} is damaged: record {number} does not fit its checksum; write it again"
                    )
                yield data
                number += 1
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged after record {number}: {error}; copy it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def masked(crc: int) -> int:
    """A checksum as it is stored, so that the checksum of data that holds checksums is no special value."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli 1993; RFC 3720, appendix B.4) of ``data``.

    The register is linear in the bytes over GF(2), so what a byte does to it
    depends on the byte and on how many follow: a table of both, looked up for a
    whole block at once and combined by exclusive or.
    """
    table = _table()
    register = 0xFFFFFFFF
    values = np.frombuffer(data, np.uint8)
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        n = len(block)
        mixed = block.copy()
        state = np.frombuffer(struct.pack("<I", register), np.uint8)
        mixed[: min(n, 4)] ^= state[: min(n, 4)]
        rest = register >> 8 * n if n < 4 else 0  # of the register, where the block is shorter
        register = rest ^ int(np.bitwise_xor.reduce(table[np.arange(n - 1, -1, -1), mixed]))
    return register ^ 0xFFFFFFFF


@cache
def _table() -> npt.NDArray[np.uint32]:
    """uint32 ``(BLOCK, 256)``: what byte ``b`` leaves in the register with ``k`` bytes after it."""
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = np.where(first & 1, first >> 1 ^ np.uint32(0x82F63B78), first >> 1)
    table = np.empty((BLOCK, 256), np.uint32)
    table[0] = first
    for k in range(1, BLOCK):
        table[k] = first[table[k - 1] & 255] ^ table[k - 1] >> 8
    return table


def _values(feature: Any) -> Feature:
    kind = feature.WhichOneof("kind")
    if kind == "float_list":
        return np.array(feature.float_list.value, np.float32)
    if kind == "int64_list":
        return np.array(feature.int64_list.value, np.int64)
    return tuple(feature.bytes_list.value)


@cache
def _schema() -> tuple[Any, type[Exception]]:
    """The message class of ``tf.train.Example`` in a pool of its own, and protobuf's error."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")

    def add(
        owner: Any, name: str, number: int, kind: int, repeated: bool = False, of: str | None = None
    ) -> Any:
        label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
        return owner.field.add(name=name, number=number, type=kind, label=label, type_name=of)

    for name, kind in (("Bytes", kinds.TYPE_BYTES), ("Float", kinds.TYPE_FLOAT), ("Int64", kinds.TYPE_INT64)):
        add(file.message_type.add(name=f"{name}List"), "value", 1, kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("Bytes", "Float", "Int64"), start=1):
        of = f".tensorflow.{name}List"
        add(feature, f"{name.lower()}_list", number, kinds.TYPE_MESSAGE, of=of).oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    add(entry, "key", 1, kinds.TYPE_STRING)
    add(entry, "value", 2, kinds.TYPE_MESSAGE, of=".tensorflow.Feature")
    add(features, "feature", 1, kinds.TYPE_MESSAGE, True, ".tensorflow.Features.FeatureEntry")
    add(file.message_type.add(name="Example"), "features", 1, kinds.TYPE_MESSAGE, of=".tensorflow.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("tensorflow.Example")
    ), message.DecodeError
