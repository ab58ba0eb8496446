"""The front door: what it refuses, and what it cleans away before DVC starts."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from edgebuild.build import whole
from edgebuild.build.declaration import Declaration
from edgebuild.build.digest import md5
from edgebuild.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
STAGES = {
    "export@a": Declaration("export@a", "x", ("in.npz",), (), ("models/a.tflite",)),
    "train": Declaration("train", "x", (), (), ("models/graphs/deep/t.safetensors", "data/train.npz")),
    "package": Declaration("package", "x", (), (), ("models/b.mlpackage",)),
    "report": Declaration("report", "x", ("models", "in.npz", "src/lib"), (), ("report.json",)),
}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_leftovers_in_a_folder_that_a_stage_depends_on_are_orphans(tmp_path: Path) -> None:
    touch(tmp_path, "models/a.tflite", "models/gone.tflite", "models/gone.mlpackage/Manifest.json")
    assert whole.orphans(tmp_path, STAGES) == ["models/gone.mlpackage", "models/gone.tflite"]


def test_declared_outputs_and_the_folders_they_lie_in_are_no_orphans(tmp_path: Path) -> None:
    touch(tmp_path, "models/a.tflite", "models/b.mlpackage/x", "models/graphs/deep/t.safetensors")
    touch(tmp_path, "models/.gitignore")
    assert whole.orphans(tmp_path, STAGES) == []


def test_folders_that_no_stage_reads_whole_or_writes_to_are_left_alone(tmp_path: Path) -> None:
    touch(tmp_path, "data/notes.txt", "src/lib/extra.py", "other/file")
    assert whole.orphans(tmp_path, STAGES) == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def dvc_fails(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository, with a Python whose ``-m dvc repro`` fails at once, so that only what comes before is seen."""
    (repository / ".dvc").mkdir()
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    return repository


def test_a_folder_without_dvc_is_refused_with_the_way_out(repository: Path) -> None:
    with pytest.raises(UsageError, match="dvc init"):
        whole.build(repository, {})


def test_dvcs_failure_is_the_builds_failure(dvc_fails: Path) -> None:
    assert whole.build(dvc_fails, {}) == 1


def test_an_orphan_that_the_cache_holds_is_removed_and_told(
    dvc_fails: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(dvc_fails, "models/gone.tflite")
    digest = md5(dvc_fails / "models/gone.tflite")
    touch(dvc_fails, f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}")
    whole.build(dvc_fails, {})
    assert not (dvc_fails / "models/gone.tflite").exists()
    assert "models/gone.tflite" in capsys.readouterr().err


def test_a_persons_own_file_among_the_models_is_not_deleted(
    dvc_fails: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(dvc_fails, "models/notes.txt")
    whole.build(dvc_fails, {})
    assert (dvc_fails / "models/notes.txt").read_text() == "models/notes.txt"
    assert "models/notes.txt" in capsys.readouterr().err


@pytest.mark.parametrize(("pull", "expected"), [(False, []), (True, ["--pull"])])
def test_results_are_taken_from_the_remote_only_where_that_is_asked_for(
    pull: bool, expected: list[str], dvc_fails: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(whole, "run", lambda command, *_: commands.append(command) or 1)
    assert whole.build(dvc_fails, {}, pull=pull) == 1
    assert [command[3:] for command in commands] == [expected]
