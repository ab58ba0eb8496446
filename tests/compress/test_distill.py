"""What the student learns from: the logits on disk, or the teacher itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.compress.distill import teacher_of
from edgebuild.errors import DataError

PLAIN = SimpleNamespace(shift=0, flip=False)
LOGITS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def teacher(images, training):
    assert training is False
    return images + 1


def test_without_augmentation_the_logits_on_disk_are_used(tmp_path):
    np.save(tmp_path / "logits.npy", LOGITS)
    found = teacher_of(None, tmp_path / "logits.npy", PLAIN)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, LOGITS)


@pytest.mark.parametrize(("shift", "flip"), [(1, False), (0, True)])
def test_with_augmentation_the_teacher_is_asked(tmp_path, shift, flip):
    asked = teacher_of(teacher, tmp_path / "none.npy", SimpleNamespace(shift=shift, flip=flip))
    assert asked(41) == 42


@pytest.mark.parametrize(
    "content",
    [np.arange(6.0), LOGITS.astype(np.float64), LOGITS * np.float32(np.nan), np.array([{}], object)],
    ids=["flat", "float64", "nan", "pickled"],
)
def test_other_arrays_are_refused_by_name(tmp_path, content):
    np.save(tmp_path / "logits.npy", content)
    with pytest.raises(DataError, match="logits.npy.*delete it and run dvc repro"):
        teacher_of(None, tmp_path / "logits.npy", PLAIN)


def test_an_archive_of_arrays_is_refused(tmp_path):
    with (tmp_path / "logits.npy").open("wb") as file:
        np.savez(file, logits=LOGITS)
    with pytest.raises(DataError, match="logits.npy"):
        teacher_of(None, tmp_path / "logits.npy", PLAIN)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="none.npy"):
        teacher_of(None, tmp_path / "none.npy", PLAIN)


@given(length=st.integers(0, 10_000))
def test_a_file_that_was_cut_is_refused(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("cut") / "logits.npy"
    np.save(path, LOGITS)
    content = path.read_bytes()
    path.write_bytes(content[: length % len(content)])
    with pytest.raises(DataError, match="logits.npy"):
        teacher_of(None, path, PLAIN)
