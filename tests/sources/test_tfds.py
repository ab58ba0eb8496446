"""TensorFlow Datasets, by a double of the package, which is an extra that the tests do without."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.params.data import Image
from edgebuild.params.tfrecord import TFDS
from edgebuild.sources.registry import load
from edgebuild.sources.source import Source
from tests.sources.conftest import data

IMAGE = Image(height=4, width=4, channels=1, fit="stretch")


class Package:
    """What the source uses of tensorflow_datasets, for one data set called toy."""

    ReadConfig = SimpleNamespace

    def __init__(self, folder: Path) -> None:
        self.folder, self.downloads = folder, 0
        self.examples = {
            "train": [{"image": self.picture(k), "label": np.int64(k % 2)} for k in range(8)],
            "test": [{"image": self.picture(200 + k), "label": np.int64(k % 2)} for k in range(4)],
            "unsupervised": [],
        }

    @staticmethod
    def picture(grey: int) -> Any:
        return np.full((6, 5, 1), grey, np.uint8)

    def builder(self, name: str, data_dir: str) -> Any:
        if not name.startswith("toy"):
            raise LookupError(f"Dataset {name} not found.\nA long list of names")
        assert data_dir == str(self.folder)
        return SimpleNamespace(
            info=SimpleNamespace(
                features={"image": object(), "label": SimpleNamespace(names=["cat", "dog"])},
                splits=self.examples,
            ),
            data_path=self.folder / "toy/1.0.0",
            download_and_prepare=self.download,
            as_dataset=lambda split, shuffle_files, read_config: self.examples[split],
        )

    def download(self) -> None:
        self.downloads += 1

    @staticmethod
    def as_numpy(examples: Any) -> Any:
        return iter(examples)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    (tmp_path / "toy/1.0.0").mkdir(parents=True)
    double = Package(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", double)
    return double


def read(package: Package, name: str = "toy:1.0.0", label: str = "label", download: bool = False) -> Source:
    names = TFDS(name=name, image="image", label=label)
    params = data(source="tfds", folder=str(package.folder), image=IMAGE, tfds=names, download=download)
    return load(params, "classification")


def test_splits_and_classes_are_those_of_the_data_set(package: Package) -> None:
    found = read(package)
    assert (found.classes, found.images.shape) == (("cat", "dog"), (12, 4, 4, 1))
    assert found.labels.tolist() == [0, 1] * 6
    assert found.split is not None
    assert found.split.tolist() == ["train"] * 8 + ["test"] * 4
    assert found.images[np.array([9])].ravel().tolist() == [201] * 16


def test_nothing_is_downloaded_unless_params_say_so(package: Package) -> None:
    (package.folder / "toy/1.0.0").rmdir()
    with pytest.raises(DataError, match="toy:1.0.0 is not in .* set data.download: true"):
        read(package)
    assert package.downloads == 0
    read(package, download=True)
    assert package.downloads == 1


def test_without_the_package_the_extra_is_named(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        DataError, match=r"needs the package tensorflow_datasets .*pip install 'edgebuild\[tfds\]'"
    ):
        read(package)


def test_unknown_data_sets_and_keys_are_refused(package: Package) -> None:
    with pytest.raises(
        DataError, match=r"data.tfds.name: zoo cannot be opened in .*: Dataset zoo not found\.$"
    ):
        read(package, "zoo")
    with pytest.raises(DataError, match="data.tfds: toy has no 'breed'; it has image, label"):
        read(package, "toy", "breed")


def test_pictures_of_another_kind_are_refused(package: Package) -> None:
    package.examples["train"][3]["image"] = np.zeros((4, 4, 2), np.float32)
    with pytest.raises(DataError, match=r"pictures must be uint8 .* but one is float32 of shape \(4, 4, 2\)"):
        read(package)


def test_a_data_set_without_splits_that_are_known_is_refused(package: Package) -> None:
    package.examples = {"all": []}
    with pytest.raises(DataError, match="must have a split called train, but its splits are all"):
        read(package)
