"""Locks of stages and builds: they exclude, say who holds them, and are never stale."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgebuild.build.exclusive import build_lock, holders, stage_lock, wait_for_dvc

HOLD = """\
import sys, time
from pathlib import Path
from edgebuild.build.exclusive import build_lock, stage_lock
root = Path(sys.argv[1])
with build_lock(root) if sys.argv[2] == "build" else stage_lock(root, sys.argv[2], 77):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(root: Path, what: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input is closed."""
    command = [sys.executable, "-c", HOLD, str(root), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def waits(root: Path, enter: Callable[[], object], let: Callable[[], object], said: Callable[[], str]) -> str:
    """Check that ``enter`` does not return before ``let`` was called; returns what it said."""
    entered = threading.Event()
    thread = threading.Thread(target=lambda: (enter(), entered.set()))
    thread.start()
    shown = ""
    while not shown:
        shown = said()
        assert not entered.is_set()
        time.sleep(0.01)
    let()
    thread.join(30)
    assert entered.is_set()
    return shown


def take(lock: Callable[[], object]) -> Callable[[], None]:
    def enter() -> None:
        with lock():  # type: ignore[attr-defined]
            pass

    return enter


@pytest.mark.parametrize("what", ["build", "prepare"])
def test_the_second_waits_for_the_first_and_names_it(
    tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with another(tmp_path, what) as process:
        enter = take(lambda: build_lock(tmp_path) if what == "build" else stage_lock(tmp_path, what))
        said = waits(tmp_path, enter, lambda: let_go(process), lambda: capsys.readouterr().err)
    assert f"process {process.pid}: " in said
    assert "waiting" in said
    assert ("another build" if what == "build" else "stage prepare") in said


@pytest.mark.parametrize("what", ["build", "prepare"])
def test_a_killed_holder_holds_nothing(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with another(tmp_path, what) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    take(lambda: build_lock(tmp_path) if what == "build" else stage_lock(tmp_path, what))()
    assert capsys.readouterr().err == ""


def test_other_stages_are_not_hindered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with another(tmp_path, "export@a"), stage_lock(tmp_path, "export@b"), build_lock(tmp_path):
        assert capsys.readouterr().err == ""


def test_who_executes_which_stage_can_be_seen_while_it_does(tmp_path: Path) -> None:
    assert holders(tmp_path) == []
    with another(tmp_path, "export@a") as process:
        (holder,) = holders(tmp_path)
        assert (holder.pid, holder.build) == (process.pid, 77)
    assert holders(tmp_path) == []


def test_a_damaged_name_of_the_holder_does_not_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with another(tmp_path, "prepare") as process:
        (tmp_path / ".edgebuild/locks/stage-prepare").write_text('{"pid": 1')
        said = waits(
            tmp_path,
            take(lambda: stage_lock(tmp_path, "prepare")),
            lambda: let_go(process),
            lambda: capsys.readouterr().err,
        )
    assert "another process" in said


# DVC's own locks.


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    folder = tmp_path / ".dvc/tmp"
    folder.mkdir(parents=True)
    (folder / "lock").write_text(" 4711\n")
    return folder


def entry(pid: int) -> dict[str, object]:
    return {"pid": pid, "cmd": "dvc repro"}


@contextmanager
def dvc() -> Iterator[subprocess.Popen[str]]:
    """A process with dvc in its command line."""
    with subprocess.Popen(["sh", "-c", "read x # dvc repro"], stdin=subprocess.PIPE, text=True) as process:
        yield process


@pytest.mark.parametrize("kind", ["write", "read"])
def test_a_build_waits_while_a_dvc_runs_a_stage(
    tmp_path: Path, tmp: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with dvc() as process:
        one = entry(process.pid)
        (tmp / "rwlock").write_text(json.dumps({kind: {"/model": one if kind == "write" else [one]}}))

        def end() -> None:
            let_go(process)
            process.wait()

        said = waits(tmp_path, lambda: wait_for_dvc(tmp_path), end, lambda: capsys.readouterr().err)
    assert f"DVC works here (process {process.pid}); waiting" in said


def test_a_build_waits_while_a_dvc_works_between_stages(
    tmp_path: Path, tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import zc.lockfile as z, sys; _ = z.LockFile(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        said = waits(
            tmp_path, lambda: wait_for_dvc(tmp_path), lambda: let_go(process), lambda: capsys.readouterr().err
        )
    assert f"process {process.pid}" in said


@pytest.mark.parametrize(
    "left",
    [
        json.dumps({"write": {"/model": entry(2**22 - 1)}}),
        json.dumps({"write": {"/model": entry(os.getpid())}}),  # the pid of a killed DVC, used again
        '{"write": {"/mod',
        "",
        "[]",
    ],
    ids=["dead", "another process", "cut off", "empty", "no mapping"],
)
def test_what_a_killed_dvc_has_left_is_removed(
    tmp_path: Path, tmp: Path, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp / "rwlock").write_text(left)
    wait_for_dvc(tmp_path)
    assert not (tmp / "rwlock").exists()
    assert capsys.readouterr().err == ""


def test_where_dvc_has_never_run_nothing_is_waited_for(tmp_path: Path) -> None:
    wait_for_dvc(tmp_path)
