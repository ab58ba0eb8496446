"""Fashion-MNIST from idx files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.sources.fashion_mnist import FILES, Arrays, fetch_with_keras, read_idx
from edgebuild.sources.fashion_mnist import load as load_source
from edgebuild.sources.source import Source
from tests.sources.conftest import data, fashion, write_idx


def no_fetch() -> Arrays:
    raise AssertionError("nothing may be fetched here")


def load(folder: Path | None, download: bool, fetch: Callable[[], Arrays] = fetch_with_keras) -> Source:
    params = data(source="fashion_mnist", folder=str(folder or ""), download=download)
    return load_source(params, "classification", fetch)


def rewrite(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def test_the_four_files_become_a_training_and_a_test_part(idx_folder: Path) -> None:
    found = load(idx_folder, download=False, fetch=no_fetch)
    images, labels = fashion(60, 1)
    np.testing.assert_array_equal(found.images[..., 0], images)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.test is not None
    np.testing.assert_array_equal(found.test.images[..., 0], fashion(20, 2)[0])
    assert found.scale == 1 / 255
    assert len(found.classes) == 10


def test_files_may_be_unpacked(idx_folder: Path) -> None:
    for name in FILES:
        packed = idx_folder / f"{name}.gz"
        (idx_folder / name).write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert len(load(idx_folder, download=False, fetch=no_fetch).labels) == 60


@pytest.mark.parametrize("folder", [Path("does/not/exist"), None])
def test_without_files_the_message_tells_both_ways_out(folder: Path | None) -> None:
    with pytest.raises(DataError) as refused:
        load(folder, download=False, fetch=no_fetch)
    assert "dataset-fashion-mnist" in str(refused.value)
    assert "data.download: true" in str(refused.value)


def test_a_named_folder_is_never_replaced_by_a_download() -> None:
    with pytest.raises(DataError, match="does/not/exist is not a folder"):
        load(Path("does/not/exist"), download=True, fetch=no_fetch)


@pytest.mark.parametrize("name", FILES)
def test_each_missing_file_is_named(idx_folder: Path, name: str) -> None:
    (idx_folder / f"{name}.gz").unlink()
    with pytest.raises(DataError, match=f"but {name} is missing"):
        load(idx_folder, download=False)


def test_a_download_happens_when_asked_for() -> None:
    found = load(None, download=True, fetch=lambda: (fashion(30, 1), fashion(10, 2)))
    assert len(found.labels) == 30


def test_a_truncated_gzip_file_is_refused(idx_folder: Path) -> None:
    path = idx_folder / f"{FILES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=f"{FILES[0]}.gz is truncated or damaged"):
        load(idx_folder, download=False)


def test_a_file_that_is_not_gzipped_is_refused(idx_folder: Path) -> None:
    (idx_folder / f"{FILES[0]}.gz").write_bytes(b"hello")
    with pytest.raises(DataError, match="Not a gzipped file"):
        load(idx_folder, download=False)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_idx_file_with_too_few_or_too_many_bytes_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    data = bytes((0, 0, 8, 1, 0, 0, 0, 4)) + bytes(4)
    rewrite(path, data)
    assert read_idx(path, 1).tolist() == [0, 0, 0, 0]
    rewrite(path, data[:-1])
    with pytest.raises(DataError, match="is truncated: its header says 4 = 4 bytes, but 3 follow"):
        read_idx(path, 1)
    rewrite(path, data + b"\0")
    with pytest.raises(DataError, match="is too long"):
        read_idx(path, 1)
    rewrite(path, data[:6])
    with pytest.raises(DataError, match="the header takes 8 bytes"):
        read_idx(path, 1)
    rewrite(path, b"")
    with pytest.raises(DataError, match="but this one with nothing"):
        read_idx(path, 1)


@pytest.mark.parametrize("magic", [(0, 0, 8, 1), (0, 0, 13, 3), (1, 0, 8, 3), (0, 0, 8, 4)])
def test_another_magic_number_is_refused(idx_folder: Path, magic: tuple[int, ...]) -> None:
    path = idx_folder / f"{FILES[0]}.gz"
    rewrite(path, bytes(magic) + gzip.decompress(path.read_bytes())[4:])
    with pytest.raises(DataError, match="starts with the bytes 00 00 08 03, but this one with"):
        load(idx_folder, download=False)


def test_another_number_of_labels_is_refused(idx_folder: Path) -> None:
    write_idx(idx_folder / f"{FILES[1]}.gz", fashion(59, 1)[1])
    with pytest.raises(DataError, match="59 labels for 60 images"):
        load(idx_folder, download=False)


@pytest.mark.parametrize("part", [1, 3])
def test_a_label_outside_the_classes_is_refused(idx_folder: Path, part: int) -> None:
    labels = fashion(60 if part == 1 else 20, 1)[1]
    labels[7] = 10
    write_idx(idx_folder / f"{FILES[part]}.gz", labels)
    with pytest.raises(DataError, match="label 7 is 10"):
        load(idx_folder, download=False)


def test_training_and_test_images_of_two_sizes_are_refused(idx_folder: Path) -> None:
    write_idx(idx_folder / f"{FILES[2]}.gz", np.zeros((20, 7, 5), np.uint8))
    with pytest.raises(DataError, match="one shape"):
        load(idx_folder, download=False)
