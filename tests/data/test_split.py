"""A split on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.data.split import Split
from edgebuild.errors import DataError


def split() -> Split:
    images = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2, 1)
    return Split(images, np.array([0, 1, 1, 0]), 1 / 255, ("cat", "dog"))


def arrays(**changes: Any) -> dict[str, Any]:
    one = split()
    whole = {
        "images": one.images,
        "labels": one.labels,
        "scale": np.float64(one.scale),
        "classes": np.array(one.classes),
    }
    return {key: value for key, value in (whole | changes).items() if value is not None}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    split().write(tmp_path / "train.npz")
    found = Split.read(tmp_path / "train.npz")
    np.testing.assert_array_equal(found.images, split().images)
    np.testing.assert_array_equal(found.labels, split().labels)
    assert (found.scale, found.classes) == (split().scale, split().classes)
    assert len(found) == 4


def test_the_name_is_kept_as_given(tmp_path: Path) -> None:
    split().write(tmp_path / "train.data")
    assert [path.name for path in tmp_path.iterdir()] == ["train.data"]


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    split().write(tmp_path / "here.npz")
    # Dates in a zip count by two seconds.
    code = (
        "import sys, time; from pathlib import Path; from edgebuild.data.split import Split; "
        "time.sleep(2.1); Split.read(Path(sys.argv[1])).write(Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "here.npz"), str(tmp_path / "there.npz")]
    subprocess.run(command, check=True)
    assert (tmp_path / "here.npz").read_bytes() == (tmp_path / "there.npz").read_bytes()


@pytest.mark.parametrize("largest", [16, 255])
def test_real_values_are_float32_from_exactly_0_to_exactly_1(largest: int) -> None:
    codes = np.array([0, largest], np.uint8).reshape(2, 1, 1, 1)
    real = Split(codes, np.array([0, 1]), 1 / largest, ("a", "b")).real()
    assert real.dtype == np.float32
    assert real.ravel().tolist() == [0.0, 1.0]


def test_reading_needs_only_numpy() -> None:
    code = (
        "import sys; import edgebuild.data.split; "
        "print([name for name in ('sklearn', 'tensorflow', 'keras', 'scipy') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "images is missing"),
        ({"classes": None}, "classes is missing"),
        ({"images": split().real()}, "images must be uint8, but is float32"),
        ({"images": np.full((4, 3, 2, 1), np.nan)}, "float64 with NaN or infinite values"),
        ({"labels": np.array([0, 1, 1, 0], np.int32)}, "labels must be int64 or float32, but is int32"),
        ({"labels": np.array([0, 1, 2, 0])}, "label 2 is 2"),
        ({"labels": np.array([0, 1])}, "2 labels for 4 images"),
        ({"images": np.zeros((0, 3, 2, 1), np.uint8), "labels": np.zeros(0, np.int64)}, "at least one image"),
        ({"images": np.zeros((4, 6), np.uint8)}, "images must have the shape"),
        ({"images": np.full((4, 3, 2, 1), 17, np.uint8), "scale": np.float64(1 / 16)}, "from 0 to 16"),
        ({"scale": np.float64(np.nan)}, "the scale must lie between"),
        ({"scale": np.array([0.5])}, "scale must be one number"),
        ({"classes": np.array([1, 2])}, "classes must be str, but is int64"),
        ({"classes": np.array(["cat", "cat"])}, "cat is there twice"),
        ({"images": np.array([None])}, "damaged"),
    ],
)
def test_a_file_that_is_no_split_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays(**changes))
    with pytest.raises(DataError) as refused:
        Split.read(path)
    assert message in str(refused.value)
    assert "bad.npz" in str(refused.value)


def test_a_missing_file_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train.npz does not exist; make it with dvc repro prepare"):
        Split.read(tmp_path / "train.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"is not an \.npz archive"):
        Split.read(tmp_path / "bad.npz")


def test_every_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "split.npz"
    split().write(path)
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            found = Split.read(path)
        except DataError:
            refused += 1
        else:
            np.testing.assert_array_equal(found.images, split().images)
            np.testing.assert_array_equal(found.labels, split().labels)
    assert refused > len(whole) / 6


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "split.npz"
    split().write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match=r"split\.npz"):
        Split.read(path)
