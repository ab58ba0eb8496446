"""Pictures in a folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.params.data import Image
from edgebuild.sources.prepare import prepare
from edgebuild.sources.registry import load
from edgebuild.sources.source import Source
from tests.sources.conftest import data, photo

IMAGE = Image(height=8, width=6, channels=3, fit="crop")
COLOURS = {"apple": (200, 40, 40), "leaf": (40, 200, 40), "sky": (40, 40, 200)}


def read(folder: Path, task: str = "classification", **changes: Any) -> Source:
    params = {"source": "image_folder", "folder": str(folder), "image": IMAGE} | changes
    return load(data(**params), task)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """5 pictures of each of three classes: PNG and JPEG, one of them large and grey."""
    for name, colour in COLOURS.items():
        for number in range(5):
            ending = "jpg" if number == 4 else "png"
            photo(tmp_path / name / f"{number}.{ending}", colour, seed=number)
    photo(tmp_path / "sky" / "3.png", (90,), (30, 50), seed=9)
    return tmp_path


def test_classes_are_the_folders_and_pictures_come_in_the_order_of_names(folder: Path) -> None:
    found = read(folder)
    assert found.classes == ("apple", "leaf", "sky")
    assert found.images.shape == (15, 8, 6, 3)
    assert found.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert found.scale == 1 / 255
    assert (found.split, found.groups, found.test) == (None, None, None)
    strongest = [int(found.images[np.array([i])].mean((0, 1, 2)).argmax()) for i in (0, 5, 10)]
    assert strongest == [0, 1, 2]


def test_what_is_in_folders_of_a_class_belongs_to_it_and_what_systems_leave_does_not(folder: Path) -> None:
    photo(folder / "sky" / "evening" / "red.PNG")
    for name in (".DS_Store", "Thumbs.db", ".hidden.png"):
        (folder / "sky" / name).write_bytes(b"anything")
    (folder / "README.txt").write_text("beside the classes")
    assert read(folder).labels.tolist().count(2) == 6


def test_train_and_test_folders_stay_what_they_are(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    above = tmp_path_factory.mktemp("above")
    folder.rename(above / "train")
    for name, colour in COLOURS.items():
        for number in range(2):
            photo(above / "test" / name / f"{number}.png", colour, seed=50 + number)
    found = read(above, test=0)
    assert found.split is not None
    assert found.split.tolist().count("test") == 6
    splits = prepare(found, validation=3, calibration=3, test=0, seed=1)
    assert [len(split) for split in splits.values()] == [9, 3, 3, 6]


def test_for_anomaly_detection_all_classes_but_normal_are_one(folder: Path) -> None:
    (folder / "leaf").rename(folder / "normal")
    found = read(folder, "anomaly", test=2)
    assert found.classes == ("normal", "anomaly")
    assert found.labels.tolist() == [1] * 5 + [0] * 5 + [1] * 5


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    whole = (folder / "apple" / "0.png").read_bytes()
    (folder / "apple" / "0.png").write_bytes(b"")
    (folder / "apple" / "1.png").write_bytes(whole[: len(whole) // 2])
    (folder / "leaf" / "notes.txt").write_text("hello")
    (folder / "leaf" / "2.png").write_text("hello")
    (folder / "void").mkdir()
    photo(folder / "lost.png")
    with pytest.raises(DataError) as refused:
        read(folder)
    lines = str(refused.value).splitlines()
    assert lines[0] == f"data.folder: {folder}: 6 faults; repair or remove what is listed"
    assert sorted(line.strip().partition(":")[0] for line in lines[1:]) == [
        "apple/0.png", "apple/1.png", "leaf/2.png", "leaf/notes.txt", "lost.png", "void/",
    ]  # fmt: skip


def test_of_many_faults_twenty_are_shown_and_all_are_counted(folder: Path) -> None:
    for number in range(30):
        (folder / "apple" / f"bad{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match="30 faults") as refused:
        read(folder)
    lines = str(refused.value).splitlines()
    assert (len(lines), lines[-1].strip()) == (22, "… and 10 more")


def test_sizes_that_cannot_be_served_are_refused_before_a_picture_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("edgebuild.sources.pictures.decode", none)
    with pytest.raises(DataError, match=r"data\.test: at most the 15 images"):
        read(folder, test=16)


@pytest.mark.parametrize("given", ["nothing", "file"])
def test_a_folder_that_is_none_is_refused_with_the_dep_to_add(tmp_path: Path, given: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r'must be a folder .* add `- "\$\{data\.folder\}"`'):
        read(tmp_path / given)


def test_one_class_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two classes, but there is no folder at all"):
        read(tmp_path)
    photo(tmp_path / "apple" / "1.png")
    with pytest.raises(DataError, match="at least two classes, but there is only apple/"):
        read(tmp_path)


def test_links_are_followed_to_pictures_and_refused_where_they_lead_elsewhere(folder: Path) -> None:
    (folder / "apple" / "0.png").rename(folder / "apple" / ".kept.png")
    (folder / "apple" / "0.png").symlink_to(folder / "apple" / ".kept.png")
    assert read(folder).labels.tolist().count(0) == 5
    (folder / "leaf" / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "sky" / "more").symlink_to(folder / "leaf")
    (folder / "snow").symlink_to(folder / "unmounted")
    with pytest.raises(DataError, match="3 faults") as refused:
        read(folder)
    assert "snow: a link that leads nowhere" in str(refused.value)
    assert "leaf/gone.png: a link that leads nowhere" in str(refused.value)
    assert "sky/more: a link to a folder, which is not followed" in str(refused.value)


def test_a_class_may_begin_with_an_underscore(folder: Path) -> None:
    (folder / "leaf").rename(folder / "_other")
    assert read(folder).classes == ("_other", "apple", "sky")
