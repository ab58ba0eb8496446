"""Nothing is written over, nothing is left half done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgebuild.errors import Finding, UsageError
from edgebuild.init import write
from edgebuild.init.plan import Plan

PLAN = Plan(
    {"dvc.yaml": "stages: {}\n", "stages/a.py": "a = 1\n"},
    {".gitignore": ("/models/", "__pycache__/")},
    ("models/a.keras", "metrics/predictions/a.npy", "data/train.npz", "metrics/summary.json"),
)


def tree(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_what_is_missing_is_written_and_said(root: Path) -> None:
    done = write.write(root, PLAN)
    assert done == {"dvc.yaml": "written", "stages/a.py": "written", ".gitignore": "written"}
    assert tree(root) == {**PLAN.files, ".gitignore": "/models/\n__pycache__/\n"}


def test_a_second_time_nothing_changes(root: Path) -> None:
    write.write(root, PLAN)
    write.refuse_differences(root, PLAN)
    assert set(write.write(root, PLAN).values()) == {"as it was"}


def test_a_dry_run_writes_nothing(root: Path) -> None:
    assert write.write(root, PLAN, dry=True)["dvc.yaml"] == "written"
    assert tree(root) == {}


def test_a_file_that_says_something_else_is_shown_and_nothing_is_written(root: Path) -> None:
    (root / "dvc.yaml").write_text("stages: {mine: {}}\n")
    with pytest.raises(
        Finding, match=r"(?s)-stages: \{mine: \{\}\}\n\+stages: \{\}\n.*init never overwrites"
    ):
        write.refuse_differences(root, PLAN)
    assert tree(root) == {"dvc.yaml": "stages: {mine: {}}\n"}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "cannot be read as text"), (b"stages: {}\r\n", "differs in the ends of its lines")],
)
def test_other_kinds_of_difference_are_told(root: Path, content: bytes, message: str) -> None:
    (root / "dvc.yaml").write_bytes(content)
    with pytest.raises(Finding, match=message):
        write.refuse_differences(root, PLAN)


def test_missing_lines_are_appended_after_the_users_own(root: Path) -> None:
    (root / ".gitignore").write_text("mine\n__pycache__/")
    assert write.write(root, PLAN)[".gitignore"] == "lines appended"
    assert (root / ".gitignore").read_text() == "mine\n__pycache__/\n/models/\n"


def test_results_of_somebody_else_are_not_written_over(root: Path) -> None:
    for name in ("models/mine.h5", "data/train.npz", "data/photos/1.png", "metrics/own.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    with pytest.raises(
        UsageError, match=r"^data/train\.npz, models/mine\.h5 are where the build writes its results"
    ):
        write.check(root, PLAN)
    (root / "dvc.lock").touch()  # then they are this build's own
    write.check(root, PLAN)


def test_a_folder_that_cannot_be_written_to_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match=f"{root} cannot be written to; take a folder of your own"):
        write.check(root, PLAN)


def test_a_file_where_a_folder_is_needed_is_named(root: Path) -> None:
    (root / "stages").touch()
    with pytest.raises(UsageError, match="stages is a file, and a folder of that name is needed"):
        write.check(root, PLAN)
    with pytest.raises(UsageError, match="is not a folder; init works in the folder"):
        write.check(root / "stages", PLAN)


def test_when_one_file_fails_the_new_ones_are_gone_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def failing(source: Path, target: Path) -> None:
        if target.name == ".gitignore":
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(UsageError, match="No space left on device; the files that were new are gone again"):
        write.write(root, PLAN)
    assert tree(root) == {}


def test_an_upgrade_needs_a_build(root: Path) -> None:
    locks = Plan({"requirements/edgebuild.txt": "new\n"}, {})
    with pytest.raises(
        UsageError, match=r"--upgrade renews the locks of a build, but there is no dvc\.yaml here"
    ):
        write.check(root, locks)
    (root / "dvc.yaml").touch()
    write.check(root, locks)
    (root / "requirements").mkdir()
    (root / "requirements/edgebuild.txt").write_text("old\n")
    assert write.write(root, locks, over=True) == {"requirements/edgebuild.txt": "written anew"}
