from __future__ import annotations

import subprocess
from pathlib import Path

from edgebuild.track.revision import revision


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    return subprocess.run(
        ["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_changed_source_makes_it_dirty_and_what_a_build_rewrites_does_not(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    for name in ("params.yaml", "dvc.lock"):
        (tmp_path / name).write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "x")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "dvc.lock").write_text("2")
    (tmp_path / "untracked").write_text("2")
    assert revision(tmp_path) == head
    (tmp_path / "params.yaml").write_text("2")
    assert revision(tmp_path) == f"{head}-dirty"


def test_outside_git_there_is_none(tmp_path: Path) -> None:
    assert revision(tmp_path) == ""
