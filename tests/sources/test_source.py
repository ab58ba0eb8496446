"""The protocol of sources and their registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.params.data import Data
from edgebuild.sources.registry import load, title
from edgebuild.sources.source import source

PARAMS = Data(source="digits", folder="", download=False, validation=1, calibration=1, test=1, seed=1)


def test_digits_are_loaded_by_name() -> None:
    assert load(PARAMS, "classification").images.shape == (1797, 8, 8, 1)


def test_fashion_mnist_is_loaded_by_name_from_its_folder(idx_folder: Path) -> None:
    found = load(replace(PARAMS, source="fashion_mnist", folder=str(idx_folder)), "classification")
    assert found.images.shape == (60, 6, 5, 1)


def test_a_folder_may_start_at_the_home_of_the_user(
    idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(idx_folder.parent))
    assert len(load(replace(PARAMS, source="fashion_mnist", folder="~/idx"), "classification").labels) == 60


def test_an_unknown_source_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="'cifar' is not one of digits, fashion_mnist, "):
        load(replace(PARAMS, source="cifar"), "classification")  # type: ignore[arg-type]


def test_both_parts_are_checked() -> None:
    images, labels = np.zeros((2, 2, 2, 1)), np.array([0, 1])
    bad = (np.full((2, 2, 2, 1), np.nan), labels)
    with pytest.raises(DataError, match=r"some data, test part: .* holds nan"):
        source(images, labels, scale=1 / 255, classes=("a", "b"), where="some data", test=bad)


def test_a_test_part_of_another_image_shape_is_refused() -> None:
    images, labels = np.zeros((2, 2, 2, 1)), np.array([0, 1])
    other = (np.zeros((2, 2, 3, 1)), labels)
    with pytest.raises(DataError, match=r"one shape, but they are \(2, 2, 1\) and \(2, 3, 1\)"):
        source(images, labels, scale=1 / 255, classes=("a", "b"), where="some data", test=other)


def test_a_group_that_lies_in_two_splits_is_refused() -> None:
    images, labels = np.zeros((4, 2, 2, 1)), np.array([0, 1, 0, 1])
    with pytest.raises(DataError, match="but 'bob' has examples in test and train"):
        source(
            images, labels, scale=1 / 255, classes=("a", "b"), where="some data",
            groups=["ann", "bob", "bob", "ann"], split=["", "", "test", "train"],
        )  # fmt: skip


def test_a_test_part_given_twice_is_refused() -> None:
    images, labels = np.zeros((2, 2, 2, 1)), np.array([0, 1])
    with pytest.raises(DataError, match="the test part is given twice"):
        source(
            images, labels, scale=1 / 255, classes=("a", "b"), where="some data",
            test=(images, labels), split=["", "test"],
        )  # fmt: skip


def test_labels_that_do_not_suit_the_task_are_refused_with_the_task_that_they_suit() -> None:
    with pytest.raises(DataError, match="regression needs float targets .* set task.kind to classification"):
        load(PARAMS, "regression")
    with pytest.raises(DataError, match="anomaly needs a class called normal, .* the classes are 0, 1"):
        load(PARAMS, "anomaly")


@pytest.mark.parametrize(
    ("source", "folder", "name"),
    [
        ("digits", "", "digits"),
        ("fashion_mnist", "some/where", "fashion_mnist"),
        ("image_folder", "data/photos/", "photos"),
        ("npz", "arrays/pets.npz", "pets"),
        ("function", "", "function"),
    ],
)
def test_ones_own_data_are_called_as_their_folder_is(source: str, folder: str, name: str) -> None:
    assert title(replace(PARAMS, source=source, folder=folder)) == name
