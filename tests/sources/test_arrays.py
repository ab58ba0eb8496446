"""Named arrays: from an .npz file, and from a function of the user's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.errors import DataError, UsageError
from edgebuild.sources.arrays import from_arrays
from edgebuild.sources.registry import load
from edgebuild.sources.source import Source
from tests.sources.conftest import data

CODES = np.random.default_rng(0).integers(0, 256, (6, 4, 3, 1), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def read(path: Path, task: str = "classification") -> Source:
    return load(data(source="npz", folder=str(path)), task)


def test_bytes_stay_as_they_are_and_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=CODES, labels=LABELS, classes=np.array(["a", "b", "c"]))
    found = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.images[np.arange(6)], CODES)
    assert found.classes == ("a", "b", "c")
    assert isinstance(found.images, np.ndarray)
    assert not found.images.flags.writeable  # a mapped file


def test_a_compressed_file_is_read_too(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", images=CODES, labels=LABELS)
    np.testing.assert_array_equal(read(tmp_path / "a.npz").images[np.arange(6)], CODES)


def test_keras_names_are_known_and_a_column_of_labels_is_a_list(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=CODES[..., 0], y_train=LABELS[:, None], x_test=CODES[:2, ..., 0],
             y_test=np.array([[2], [0]], np.uint8))  # fmt: skip
    found = read(tmp_path / "a.npz")
    assert found.images.shape == (6, 4, 3, 1)
    assert found.labels.tolist() == LABELS.tolist()
    assert found.test is not None
    assert found.test.labels.tolist() == [2, 0]
    assert found.classes == ("0", "1", "2")


def test_floats_become_the_nearest_of_255_steps() -> None:
    real = np.array([0.0, 0.0019, 0.002, 0.5, 1.0], np.float32).reshape(5, 1, 1, 1)
    found = from_arrays({"images": real, "labels": [0, 1, 0, 1, 0]}, "here")
    assert found.images[np.arange(5)].ravel().tolist() == [0, 0, 1, 128, 255]


def test_codes_of_fewer_steps_say_what_one_is() -> None:
    found = from_arrays({"images": CODES // 16, "labels": LABELS, "scale": 1 / 15}, "here")
    assert found.scale == 1 / 15


def test_groups_and_splits_may_be_any_names() -> None:
    extra = {"groups": ["ann", "bob", "ann", "eve", "bob", "eve"], "split": ["", "test", "", "", "test", ""]}
    found = from_arrays({"images": CODES, "labels": LABELS, **extra}, "here")
    assert found.groups is not None
    assert found.groups.tolist() == [0, 1, 0, 2, 1, 2]
    assert found.split is not None
    assert found.split[1] == "test"


@pytest.mark.parametrize(
    ("task", "labels", "classes"),
    [
        ("multilabel", np.eye(3, dtype=np.int64)[LABELS], ("class 0", "class 1", "class 2")),
        ("regression", np.ones((6, 2), np.float64), ("target 0", "target 1")),
    ],
)
def test_labels_of_every_form_are_taken(
    tmp_path: Path, task: str, labels: Any, classes: tuple[str, ...]
) -> None:
    np.savez(tmp_path / "a.npz", images=CODES, labels=labels)
    found = read(tmp_path / "a.npz", task)
    assert found.classes == classes
    np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": CODES}, "labels must be there, but there is only images"),
        ({"images": CODES, "labels": LABELS, "lables": LABELS}, "unknown lables; known are images, labels"),
        ({"images": CODES, "labels": LABELS[:5]}, "5 labels for 6 images"),
        ({"images": CODES / 100.0, "labels": LABELS}, r"float images must lie in \[0, 1\], but image \d holds"),
        ({"images": CODES * np.nan, "labels": LABELS}, "but image 0 holds nan"),
        ({"images": CODES, "labels": LABELS - 1}, "class indices from 0, but they lie between -1 and 1"),
        ({"images": CODES, "labels": LABELS * 1000000}, "number the classes from 0"),
        ({"images": CODES, "labels": LABELS, "classes": ["a", "b"]}, "between 0 and 1 .2 classes., but label 2 is 2"),
        ({"images": CODES, "labels": np.full((6, 2), np.inf)}, "target 0 of example 0 is inf"),
        ({"images": CODES, "labels": LABELS, "groups": [1, 2]}, "one group per image is required, but there are 2"),
        ({"images": CODES, "labels": LABELS, "split": ["dev"] * 6}, "or nothing, but there is 'dev'"),
        ({"images": CODES, "labels": LABELS, "test_images": CODES}, "needs both test_images and test_labels"),
        ({"images": CODES[0, 0], "labels": LABELS}, r"shape \(n, height, width, channels\)"),
        ({"images": "many", "labels": LABELS}, "must be an array, .* but they are of type str"),
        ({"images": iter([]), "labels": LABELS}, "the iterator gives none"),
        ({"images": iter([CODES[0], CODES[0, 1:]]), "labels": LABELS}, "must have one shape"),
        ({"images": iter([CODES[0].astype(int)]), "labels": LABELS}, "must be uint8, or floats"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_used_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(given, "here")


@pytest.mark.parametrize(("what", "message"), [("folder", "is a folder"), ("nothing.npz", "does not exist")])
def test_a_file_that_is_not_there_is_refused_with_the_dep_to_add(
    tmp_path: Path, what: str, message: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=rf'{message}, but must be an .npz .* add `- "\$\{{data.folder\}}"`'):
        read(tmp_path / what)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=CODES, labels=LABELS)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.npz is .*; write it again with numpy\.savez"):
        read(tmp_path / "a.npz")


FUNCTIONS = """
import numpy as np

images = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3, 1)
labels = np.array([0, 1, 2, 0, 1, 2])

def load(folder):
    return {"images": images, "labels": labels, "classes": ["a", "b", str(folder)]}

def walked(folder):
    return {"images": (image for image in images), "labels": labels}

def batches(folder):
    return {"images": iter([images[:4] / 255, images[4:] / 255]), "labels": labels}

class Lazy:
    shape, dtype = (6, 4, 3, 1), np.dtype(np.uint8)

    def __len__(self):
        return 6

    def __getitem__(self, chosen):
        return images[chosen]

def lazy(folder):
    return {"images": Lazy(), "labels": labels}

def nothing(folder):
    return images
"""


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "users_data.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.modules.pop("users_data", None)


def call(name: str, folder: str = "") -> Source:
    return load(data(source="function", function=name, folder=folder), "classification")


@pytest.mark.usefixtures("functions")
def test_a_function_is_called_with_the_folder() -> None:
    assert call("users_data:load").classes == ("a", "b", "None")
    assert call("users_data:load", "raw").classes == ("a", "b", "raw")


@pytest.mark.usefixtures("functions")
@pytest.mark.parametrize("name", ["walked", "batches", "lazy"])
def test_images_may_come_one_by_one_in_batches_or_when_asked_for(name: str) -> None:
    expected = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3, 1)
    np.testing.assert_array_equal(call(f"users_data:{name}").images[np.array([5, 0])], expected[[5, 0]])


@pytest.mark.usefixtures("functions")
def test_what_a_function_must_return_is_said() -> None:
    with pytest.raises(
        DataError, match="nothing must return a dict with images and labels .* returned ndarray"
    ):
        call("users_data:nothing")
    with pytest.raises(UsageError, match="data.function: users_data.py has no function lod; it has"):
        call("users_data:lod")
