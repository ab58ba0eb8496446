"""Sizes and hashes of files and packages."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from edgebuild.errors import Finding
from edgebuild.measure.size import file_facts

FILES = {"Manifest.json": b"{}", "Data/model.mlmodel": b"abc" * 500, "Data/weights/weight.bin": bytes(4096)}


def package(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_a_file_is_hashed_and_weighed(tmp_path: Path) -> None:
    data = b"weights" * 300
    (tmp_path / "model.tflite").write_bytes(data)
    facts = file_facts(tmp_path / "model.tflite")
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert facts.size_bytes == 2100
    assert facts.gzip_bytes == len(gzip.compress(data, 9, mtime=0)) < 100


def test_a_package_is_hashed_as_the_listing_of_its_files(tmp_path: Path) -> None:
    facts = file_facts(package(tmp_path / "m.mlpackage", FILES))
    listing = "".join(f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}\n" for name in sorted(FILES))
    assert facts.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert facts.size_bytes == sum(map(len, FILES.values()))
    assert 100 < facts.gzip_bytes < 1000


def test_order_dates_and_modes_do_not_matter(tmp_path: Path) -> None:
    one = package(tmp_path / "one.mlpackage", FILES)
    other = package(tmp_path / "other.mlpackage", dict(reversed(FILES.items())))
    (other / "empty").mkdir()
    os.utime(other / "Manifest.json", (0, 0))
    (other / "Manifest.json").chmod(0o600)
    assert file_facts(one) == file_facts(other)


@pytest.mark.parametrize(
    "changed",
    [
        FILES | {"Manifest.json": b"[]"},
        FILES | {"more": b""},
        {name.replace("Manifest", "manifest"): data for name, data in FILES.items()},
        {"Manifest.json": b"{}", "Data/model.mlmodel": bytes(4096), "Data/weights/weight.bin": b"abc" * 500},
    ],
)
def test_any_change_of_a_package_changes_its_hash(tmp_path: Path, changed: dict[str, bytes]) -> None:
    one = file_facts(package(tmp_path / "one", FILES))
    assert one.sha256 != file_facts(package(tmp_path / "two", changed)).sha256


def test_what_is_not_there_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(Finding, match=r"model\.onnx does not exist"):
        file_facts(tmp_path / "model.onnx")
    with pytest.raises(Finding, match="holds no file"):
        file_facts(tmp_path)
