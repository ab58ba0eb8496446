"""The clone has the commit and nothing of its surroundings: no cache, no settings, no stores of the caller."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from edgebuild.build.verify.clone import clean_clone
from tests.build.verify.repository import Repository


def test_the_callers_stores_settings_and_git_stay_outside(repository: Repository) -> None:
    outside = {
        "GIT_DIR": "/elsewhere", "DVC_EXP_NAME": "x", "MLFLOW_TRACKING_URI": "http://elsewhere", "KEPT": "1",
        "EDGEBUILD_ALLOW_DRIFT": "1", "EDGEBUILD_WORKER": "1", "PATH": os.environ["PATH"],
    }  # fmt: skip
    with clean_clone(repository.root, "HEAD", outside) as clone:
        seen = clone.environ
        assert "GIT_DIR" not in seen
        assert "DVC_EXP_NAME" not in seen
        assert seen["MLFLOW_TRACKING_URI"].startswith(f"sqlite:///{clone.folder}")
        assert (seen["KEPT"], seen["EDGEBUILD_ALLOW_DRIFT"], seen["EDGEBUILD_WORKER"]) == ("1", "1", "0")


def test_a_cache_that_the_commit_or_the_user_shares_is_not_used(
    repository: Repository, tmp_path: Path
) -> None:
    repository.run("dvc", "config", "cache.dir", str(tmp_path / "shared"))
    repository.commit()
    with clean_clone(repository.root, "HEAD", os.environ) as clone:
        assert clone.dvc("cache", "dir").stdout.strip().startswith(str(clone.folder))
        shown = clone.dvc("config", "--list", "--show-origin").stdout
        assert all(line.startswith((".dvc/config", "local", "repo")) for line in shown.splitlines())


def test_a_commit_that_no_branch_holds_can_be_cloned(repository: Repository) -> None:
    repository.write("note", "x")
    lost = repository.commit()
    repository.run("git", "reset", "--quiet", "--hard", "HEAD~1")
    with clean_clone(repository.root, lost, os.environ) as clone:
        assert (clone.root / "note").is_file()
        assert clone.commit == lost


def test_a_shallow_clone_as_ci_has_it_can_be_cloned(repository: Repository, tmp_path: Path) -> None:
    repository.write("note", "x")
    head = repository.commit()
    repository.run(
        "git", "clone", "--quiet", "--depth", "1", f"file://{repository.root}", str(tmp_path / "ci")
    )
    with clean_clone(tmp_path / "ci", "HEAD", os.environ) as clone:
        assert clone.commit == head


def test_a_project_in_a_folder_of_a_repository_keeps_its_place(
    repository: Repository, tmp_path: Path
) -> None:
    top = Repository(tmp_path / "top")
    repository.root.joinpath(".git").rename(tmp_path / "unused")
    top.root.mkdir()
    repository.root.rename(top.root / "models")
    top.run("git", "init", "--quiet")
    top.commit()
    with clean_clone(top.root / "models", "HEAD", os.environ) as clone:
        assert clone.prefix == "models/"
        assert (clone.root / "dvc.yaml").is_file()
        assert clone.root.parent.name == "top"


def test_a_build_that_is_no_longer_wanted_ends_with_its_children(
    repository: Repository, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    script = (
        "import os, subprocess, sys, time\n"
        "print('begun', flush=True)\n"
        f"subprocess.Popen(['sh', '-c', 'echo $$ > {child}; exec sleep 60'])\n"
        "print('more', flush=True)\n"
        "time.sleep(60)\n"
    )
    (tmp_path / "dvc.py").write_text(script)

    def hear(line: str) -> None:
        while not child.is_file() or not child.read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    with (
        clean_clone(repository.root, "HEAD", {**os.environ, "PYTHONPATH": str(tmp_path)}) as clone,
        pytest.raises(KeyboardInterrupt),
    ):
        clone.follow(["repro"], tmp_path / "log", hear)
    assert (tmp_path / "log").read_text() == "begun\n"
    process = Path(f"/proc/{child.read_text().strip()}/stat")
    if sys.platform == "linux":
        assert not process.exists() or process.read_text().split()[2] == "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(repository: Repository, number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), clean_clone(repository.root, "HEAD", os.environ) as clone:
        folder = clone.folder
        os.kill(os.getpid(), number)
    assert not folder.exists()


def test_under_nohup_a_closed_terminal_is_no_reason_to_end(repository: Repository) -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with clean_clone(repository.root, "HEAD", os.environ) as clone:
            os.kill(os.getpid(), signal.SIGHUP)
            assert clone.root.is_dir()
    finally:
        signal.signal(signal.SIGHUP, previous)
