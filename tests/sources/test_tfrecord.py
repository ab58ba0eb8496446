"""Pictures and labels from TFRecord files."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from edgebuild.errors import DataError
from edgebuild.params.data import Image
from edgebuild.params.tfrecord import TFRecord
from edgebuild.sources.registry import load
from edgebuild.sources.source import Source
from tests.sources.conftest import data
from tests.sources.tfrecords import example, write

IMAGE = Image(height=4, width=3, channels=1, fit="stretch")
NAMES = TFRecord(image="image/encoded", label="label", classes="", group="")


def read(folder: Path, task: str = "classification", image: Image = IMAGE, **names: str) -> Source:
    params = data(source="tfrecord", folder=str(folder), image=image, tfrecord=replace(NAMES, **names))
    return load(params, task)


def picture(grey: int, kind: str = "PNG") -> bytes:
    file = BytesIO()
    Pillow.fromarray(np.full((8, 9), grey, np.uint8)).save(file, kind)
    return file.getvalue()


def examples(count: int = 12, **more: Any) -> list[bytes]:
    return [
        example(image__encoded=picture(20 * k, "JPEG" if k % 2 else "PNG"), label=[k % 3], **more)
        for k in range(count)
    ]


def test_encoded_pictures_are_decoded_in_the_order_of_files_and_records(tmp_path: Path) -> None:
    write(tmp_path / "b.tfrecord-00001-of-00002", examples()[6:])
    write(tmp_path / "a.tfrecord-00000-of-00002", examples()[:6])
    found = read(tmp_path)
    assert (found.images.shape, found.classes) == ((12, 4, 3, 1), ("0", "1", "2"))
    assert found.labels.tolist() == [0, 1, 2] * 4
    greys = found.images[np.arange(12)].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(greys, 20 * np.arange(12), atol=1)


@pytest.mark.parametrize(
    "values",
    [bytes(range(0, 240, 20)), [k * 20 / 255 for k in range(12)], [k * 20 for k in range(12)]],
    ids=["bytes", "floats", "integers"],
)
def test_raw_values_are_taken_as_they_are(tmp_path: Path, values: Any) -> None:
    write(tmp_path / "a.tfrecord", [example(image__encoded=values, label=[k % 2]) for k in range(8)])
    found = read(tmp_path)
    assert found.images[np.array([3])].ravel().tolist() == list(range(0, 240, 20))


def test_labels_may_be_texts_and_classes_may_be_named(tmp_path: Path) -> None:
    texts = [example(image__encoded=picture(k), label=b"dog" if k % 2 else b"cat") for k in range(8)]
    write(tmp_path / "a.tfrecord", texts)
    assert read(tmp_path).classes == ("cat", "dog")
    assert read(tmp_path, classes="dog, cat").labels.tolist() == [1, 0] * 4
    with pytest.raises(DataError, match="classes: dog is among the labels, but not among the classes"):
        read(tmp_path, classes="cat, bird")


def test_classes_may_be_named_by_a_file(tmp_path: Path) -> None:
    write(tmp_path / "a.tfrecord", examples())
    (tmp_path / "label.labels.txt").write_text("red\ngreen\nblue\n")
    assert read(tmp_path, classes="label.labels.txt").classes == ("red", "green", "blue")


def test_splits_are_words_in_the_names_of_files(tmp_path: Path) -> None:
    write(tmp_path / "toy-train.tfrecord-00000-of-00001", examples())
    write(tmp_path / "toy-test.tfrecord-00000-of-00001", examples(6))
    split = read(tmp_path).split
    assert split is not None
    assert split.tolist() == ["test"] * 6 + ["train"] * 12


def test_a_group_is_a_feature(tmp_path: Path) -> None:
    write(
        tmp_path / "a.tfrecord",
        [
            example(image__encoded=picture(k), label=[k % 2], who=f"p{k // 4}".encode(), n=[k])
            for k in range(24)
        ],
    )
    groups = read(tmp_path, group="who").groups
    assert groups is not None
    assert groups.tolist() == np.repeat(np.arange(6), 4).tolist()


def test_lists_of_labels_are_for_the_other_tasks(tmp_path: Path) -> None:
    several = [example(image__encoded=picture(k), label=[k % 2, 1], speed=[k / 2]) for k in range(8)]
    write(tmp_path / "a.tfrecord", several)
    multilabel, regression = read(tmp_path, "multilabel"), read(tmp_path, "regression", label="speed")
    assert multilabel.labels.tolist() == [[0, 1], [1, 1]] * 4
    assert (regression.classes, regression.labels.dtype) == (("target0",), np.float32)
    assert regression.labels[:, 0].tolist() == [k / 2 for k in range(8)]
    with pytest.raises(DataError, match="classification needs one label for every example, but there are 2"):
        read(tmp_path)


def test_every_record_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    bad = [
        example(image__encoded=b"GIF89a", label=[0]),
        example(label=[0]),
        example(image__encoded=[1, 2, 3], label=[0]),
        example(image__encoded=[2.5] * 12, label=[0]),
        example(image__encoded=[-1] * 12, label=[0]),
    ]
    write(tmp_path / "sub" / "a.tfrecord", [*examples(2), *bad])
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    message = str(caught.value)
    assert "5 faults" in message
    for line in (
        "sub/a.tfrecord, record 2: no PNG or JPEG file, but GIF",
        "sub/a.tfrecord, record 3: no feature image/encoded; it has label",
        "record 4: 12 values are required, height × width × channels of data.image, but there are 3",
        "record 5: values must lie between 0 and 1, but lie between 2.5 and 2.5",
        "record 6: values must lie between 0 and 255, but lie between -1 and -1",
    ):
        assert line in message


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ([-1], "whole numbers from 0 are required, but there is -1;"),
        ([0.5], "whole numbers from 0 are required, but there are floats;"),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, label: Any, message: str) -> None:
    write(tmp_path / "a.tfrecord", [example(image__encoded=picture(1), label=label)] * 4)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_folders_without_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no file with .tfrecord in its name"):
        read(tmp_path)
    (tmp_path / "a.tfrecord").write_bytes(b"")
    with pytest.raises(DataError, match="hold no examples"):
        read(tmp_path)
