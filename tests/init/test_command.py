"""What a user sees of `edgebuild init`, and what is there afterwards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgebuild import cli
from edgebuild.build.closure import compare
from edgebuild.build.declaration import declarations
from edgebuild.build.environment import library
from edgebuild.init import tell
from edgebuild.params import read
from tests.init.conftest import Make


def test_in_an_empty_folder_a_whole_build_appears(
    root: Path, images: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    images()
    subprocess.run(["git", "init", "--quiet"], check=True)
    assert cli.main(["init", "--data", "photos"]) == 0
    said = capsys.readouterr().out
    assert "40 images in 2 class folders (cat, dog)" in said
    assert (
        said.index("Next:")
        < said.index("edgebuild run ")
        < said.index("edgebuild check ")
        < said.index("git add ")
    )
    assert read(root / "params.yaml").data.folder == "photos"
    assert compare(root) == []
    assert (root / ".dvc/config").is_file()
    assert (root / library.NAME).read_text() == library.pin()
    for stage in declarations(root).values():
        assert {"requirements/runtime.txt", library.NAME} <= set(stage.deps)
    assert cli.main(["init", "--data", "photos"]) == 0  # again: all of it is as it was
    assert "written" not in capsys.readouterr().out


def test_without_git_it_says_what_does_not_work(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "--example", "digits"]) == 0
    said = capsys.readouterr().out
    assert "dvc init --no-scm" in said
    assert "Without git the build, its check and its report work" in said
    assert "git add" not in said


def test_other_packages_than_the_lock_names_are_told_before_what_comes_next(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install = "pip install --require-hashes -r requirements/runtime.txt"
    monkeypatch.setattr(tell, "drift", lambda lock: tuple(f"p{number} 1!=2" for number in range(7)))
    assert cli.main(["init", "--example", "digits"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "7 are others than the lock's: p0 1!=2, p1 1!=2," in said
    assert f"p4 1!=2 and 2 more ({install} first)" in said
    assert said.index("Next:") < said.rindex(f"{install} #") < said.index("edgebuild run #")


def test_with_the_packages_of_the_lock_nothing_is_to_be_installed(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tell, "drift", lambda lock: ())
    assert cli.main(["init", "--example", "digits"]) == 0
    said = capsys.readouterr().out
    assert "installed as the lock names them" in said
    assert "pip install" not in said


def test_a_dry_run_leaves_the_folder_empty(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "--dry-run"]) == 0
    assert "dvc.yaml                    would be written" in capsys.readouterr().out
    assert list(root.iterdir()) == []


def test_a_file_that_differs_ends_it_with_a_finding(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "params.yaml").write_text("lr: 0.1\n")
    assert cli.main(["init"]) == 1
    said = capsys.readouterr()
    assert "--- params.yaml (yours)" in said.err
    assert "-lr: 0.1" in said.err
    assert [path.name for path in root.iterdir()] == ["params.yaml"]


def test_an_upgrade_renews_the_locks_and_touches_nothing_else(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init"]) == 0
    before = (root / "params.yaml").read_text() + "# mine\n"
    (root / "params.yaml").write_text(before)
    (root / library.NAME).write_text("edgebuild==0.0.1 # code sha256:" + "0" * 64 + "\n")
    assert cli.main(["init", "--upgrade"]) == 0
    assert (root / library.NAME).read_text() == library.pin()
    assert (root / "params.yaml").read_text() == before


def test_bad_input_is_a_usage_error_and_writes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", "--data", "nowhere"]) == 2
    assert "edgebuild: --data nowhere: there is no such file or folder" in capsys.readouterr().err
    assert list(root.iterdir()) == []
