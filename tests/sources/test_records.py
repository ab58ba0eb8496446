"""TFRecord files and their checksums, against slow formulas, published values and TensorFlow."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.errors import DataError
from edgebuild.sources.records import crc32c, examples, records
from tests.sources.tfrecords import framed


def slow(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_checksums_are_those_of_rfc_3720(data: bytes, value: int) -> None:
    assert crc32c(data) == value


@given(st.integers(0, 9000), st.integers(0, 9))
def test_checksums_of_any_length_are_the_slow_ones(length: int, seed: int) -> None:
    data = np.random.default_rng(seed).bytes(length)
    assert crc32c(data) == slow(data)


def test_what_tensorflow_writes_is_read(tmp_path: Path) -> None:
    from edgebuild.train import backend

    tf, _ = backend.load(0)
    train = tf.train
    feature = {
        "bytes": train.Feature(bytes_list=train.BytesList(value=[b"one", b"", bytes(9000)])),
        "floats": train.Feature(float_list=train.FloatList(value=[0.5, -2.0, 1e-9])),
        "ints": train.Feature(int64_list=train.Int64List(value=[-1, 2**62])),
        "nothing": train.Feature(),
    }
    written = train.Example(features=train.Features(feature=feature)).SerializeToString()
    for kind in ("", "GZIP"):
        path = tmp_path / f"a{kind}"
        with tf.io.TFRecordWriter(str(path), kind) as file:
            for _ in range(3):
                file.write(written)
        found = list(examples(path))
        assert len(found) == 3
        assert found[2]["bytes"] == (b"one", b"", bytes(9000))
        assert found[2]["floats"].tolist() == np.array([0.5, -2.0, 1e-9], np.float32).tolist()
        assert found[2]["ints"].tolist() == [-1, 2**62]
        assert found[2]["nothing"] == ()


def test_reading_them_imports_no_tensorflow() -> None:
    code = (
        "import sys, edgebuild.sources.registry; print('tensorflow' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False False"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: b"\x89PNG picture, not records",
            "is no TFRecord file: a length does not fit its checksum",
        ),
        (lambda data: data[:-1], "is truncated in the middle of record 1"),
        (lambda data: data + b"xyz", "is truncated in the middle of record 2"),
        (lambda data: data[:20] + b"X" + data[21:], "is damaged: record 0 does not fit its checksum"),
        (lambda data: data[:40] + b"X" + data[41:], "is damaged at record 1: a length does not fit"),
        (lambda data: gzip.compress(data)[:-9], "is damaged after record 2: Compressed file ended"),
        (lambda data: framed(b"\xff\xff"), "record 0 is no tf.train.Example"),
    ],
)
def test_damaged_files_are_refused_with_the_record(
    tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    (tmp_path / "a").write_bytes(change(framed(b"first record, 20 byte") + framed(b"")))
    with pytest.raises(DataError, match=message):
        list(examples(tmp_path / "a") if "Example" in message else records(tmp_path / "a"))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(records(tmp_path / "a"))
