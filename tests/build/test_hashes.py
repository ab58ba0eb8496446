"""Remembered digests: those of DVC, and never older than the file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.build import hashes
from edgebuild.build.digest import md5
from edgebuild.build.hashes import cached_md5
from edgebuild.strict import read_yaml

DVC_YAML = """\
stages:
  copy:
    cmd: cp -r source folder
    deps: [source]
    outs: [folder]
"""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read to be hashed."""
    seen: list[Path] = []
    monkeypatch.setattr(hashes, "md5", lambda path: seen.append(path) or md5(path))
    return seen


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are as old as this process wants them to be."""
    monkeypatch.setattr(hashes, "SETTLED_NS", -1)


def another_process() -> None:
    hashes._remembered.cache_clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    path.write_bytes(b"weights")
    return path


def test_a_file_is_hashed_once(
    tmp_path: Path, file: Path, counted: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    for _ in range(3):
        another_process()
        assert cached_md5(tmp_path, file) == md5(file)
    assert counted == [file]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"weighty!"),
        lambda path: path.write_bytes(b"WEIGHTS"),
        lambda path: (path.write_bytes(b"WEIGHTS"), os.utime(path, ns=(1, 1))),
        lambda path: (path.with_name("new").write_bytes(b"WEIGHTS"), path.with_name("new").replace(path)),
        lambda path: path.write_bytes(b""),
    ],
    ids=["longer", "same size", "old date", "replaced", "empty"],
)
def test_a_changed_file_is_hashed_again(
    tmp_path: Path, file: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    cached_md5(tmp_path, file)
    time.sleep(0.02)  # more than one tick of the file system's clock
    change(file)
    assert cached_md5(tmp_path, file) == md5(file)


def test_a_file_that_just_changed_is_not_remembered(tmp_path: Path, file: Path, counted: list[Path]) -> None:
    cached_md5(tmp_path, file)
    cached_md5(tmp_path, file)
    assert counted == [file, file]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-9],
        lambda data: data.replace(b'"]', b'X"]'),
        lambda data: b"\xff" * len(data),
        lambda data: data[: len(data) // 2] + b"\0" * 100,
        lambda data: b"",
    ],
    ids=["torn", "flipped", "not text", "holes", "empty"],
)
def test_a_damaged_memory_is_ignored(
    tmp_path: Path, file: Path, damage: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    cached_md5(tmp_path, file)
    memory = tmp_path / ".edgebuild/hashes"
    memory.write_bytes(damage(memory.read_bytes()))
    another_process()
    assert cached_md5(tmp_path, file) == md5(file)
    another_process()  # and the line after a torn one counts
    counted: list[Path] = []
    monkeypatch.setattr(hashes, "md5", lambda path: counted.append(path) or md5(path))
    assert cached_md5(tmp_path, file) == md5(file)
    assert counted == []


def test_a_memory_that_cannot_be_written_changes_nothing(tmp_path: Path, file: Path) -> None:
    (tmp_path / ".edgebuild").write_text("not a folder")
    assert cached_md5(tmp_path, file) == md5(file)


def test_the_memory_does_not_grow_without_end(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    for number in range(400):
        file.write_text(str(number))
        cached_md5(tmp_path, file)
    another_process()
    cached_md5(tmp_path, file)
    assert len((tmp_path / ".edgebuild/hashes").read_bytes().splitlines()) < 5


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / str(number)).write_text(str(number))
    code = (
        "import sys; from pathlib import Path; from edgebuild.build import hashes\n"
        "hashes.SETTLED_NS = -1\n"
        "for number in sys.argv[2:]: hashes.cached_md5(Path(sys.argv[1]), Path(sys.argv[1]) / number)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), *map(str, range(start, 200, 4))])
        for start in range(4)
    ]
    assert [process.wait() for process in running] == [0] * 4
    another_process()
    assert hashes._remembered(tmp_path).keys() == {str(tmp_path / str(number)) for number in range(200)}


@pytest.mark.parametrize(
    "ignore",
    ["__pycache__\n*.pyc\n.gitignore\n# note\n", "/source/a/__pycache__/\n/folder/a/__pycache__/\n*.pyc\n"],
)
def test_a_folder_has_the_digest_of_dvc_lock_whatever_dvcignore_leaves_out(
    tmp_path: Path, ignore: str
) -> None:
    for name in ("a/b", "a-b", "a/__pycache__/c", "x.pyc", "ä ö", "a/.dvcignored"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text(name)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    commands = (["init", "--no-scm", "--quiet"], ["repro", "--quiet"])
    for command in commands:
        (tmp_path / ".dvcignore").write_text(ignore)
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True, timeout=120)
    lock = read_yaml(tmp_path / "dvc.lock")
    assert isinstance(lock, dict)
    entry = lock["stages"]["copy"]
    recorded = {item["path"]: item["md5"] for item in (*entry["deps"], *entry["outs"])}
    assert recorded == {name: cached_md5(tmp_path, tmp_path / name) for name in ("source", "folder")}
    assert md5(tmp_path / "source") != recorded["source"]
