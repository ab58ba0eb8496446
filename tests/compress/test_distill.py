"""What the student learns from: the logits on disk, or the teacher itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild.compress import distill
from edgebuild.compress.distill import guide_of, read_logits, write_logits
from edgebuild.errors import DataError

LOGITS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def never():
    raise AssertionError("the teacher was opened")


def test_without_augmentation_the_logits_on_disk_are_used_and_the_teacher_is_not_opened(tmp_path):
    np.save(tmp_path / "logits.npy", LOGITS)
    found = guide_of(never, tmp_path / "logits.npy", SimpleNamespace(shift=0, flip=False, augment=""))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, LOGITS)


@pytest.mark.parametrize(
    ("shift", "flip", "augment"), [(1, False, ""), (0, True, ""), (0, False, "mine:layers")]
)
def test_with_augmentation_the_teacher_is_asked(tmp_path, shift, flip, augment):
    recipe = SimpleNamespace(shift=shift, flip=flip, augment=augment)
    asked = guide_of(lambda: lambda images: images + 1, tmp_path / "none.npy", recipe)
    assert asked(41) == 42


@pytest.mark.parametrize(
    "content",
    [np.arange(6.0), LOGITS.astype(np.float64), LOGITS * np.float32(np.nan), np.array([{}], object)],
    ids=["flat", "float64", "nan", "pickled"],
)
def test_other_arrays_are_refused_by_name(tmp_path, content):
    np.save(tmp_path / "logits.npy", content)
    with pytest.raises(DataError, match="logits.npy.*delete it and run dvc repro"):
        read_logits(tmp_path / "logits.npy")


def test_an_archive_of_arrays_is_refused(tmp_path):
    with (tmp_path / "logits.npy").open("wb") as file:
        np.savez(file, logits=LOGITS)
    with pytest.raises(DataError, match="logits.npy"):
        read_logits(tmp_path / "logits.npy")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="none.npy"):
        read_logits(tmp_path / "none.npy")


@given(length=st.integers(0, 10_000))
def test_a_file_that_was_cut_is_refused(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("cut") / "logits.npy"
    np.save(path, LOGITS)
    content = path.read_bytes()
    path.write_bytes(content[: length % len(content)])
    with pytest.raises(DataError, match="logits.npy"):
        read_logits(path)


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 127), value=st.integers(0, 255))
@pytest.mark.filterwarnings("ignore")  # numpy warns of some damaged headers before it refuses them
def test_a_damaged_header_is_refused_or_harmless(tmp_path_factory, place, value):
    path = tmp_path_factory.mktemp("damaged") / "logits.npy"
    np.save(path, LOGITS)
    content = bytearray(path.read_bytes())
    content[place] = value
    path.write_bytes(bytes(content))
    try:
        found = read_logits(path)
    except DataError as error:
        assert "logits.npy" in str(error)
    else:
        assert (found.ndim, found.dtype) == (2, np.float32)


@pytest.mark.parametrize("count", [1, 5, 12])
def test_what_is_written_in_chunks_is_what_numpy_saves_at_once(tmp_path, monkeypatch, count):
    monkeypatch.setattr(distill, "CHUNK", 5)
    images = np.random.default_rng(0).integers(0, 255, (count, 2, 2, 1)).astype(np.uint8)

    def teacher(part):
        return part.reshape(len(part), -1).astype(np.float32)

    write_logits(tmp_path / "chunks.npy", teacher, images)
    np.save(tmp_path / "once.npy", teacher(images))
    assert (tmp_path / "chunks.npy").read_bytes() == (tmp_path / "once.npy").read_bytes()
    np.testing.assert_array_equal(read_logits(tmp_path / "chunks.npy"), teacher(images))
