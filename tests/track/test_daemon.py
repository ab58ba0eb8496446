"""The detached delivery process, as stages start it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebuild.track import store
from edgebuild.track.daemon import NICENESS, ensure_running
from edgebuild.track.outbox import Record, pending
from tests.track.test_publish import Stages, client, execute, runs


def wait_for(condition: Callable[[], Any], root: Path, limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        log = root / ".edgebuild" / "delivery.log"
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
        time.sleep(0.1)


def daemons(root: Path) -> list[int]:
    """Pids of the processes of the delivery for ``root`` that live (a zombie has no command line)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile
            continue
        if b"edgebuild.track.daemon" in words and os.fsencode(root) in words:
            found.append(int(folder.name))
    return found


def start(root: Path, parent: int, idle_s: float = 600.0) -> str | None:
    return ensure_running(root, parent, store.tracking_uri(root, {}), "p", environ=os.environ, idle_s=idle_s)


def test_one_process_follows_a_build_live_publishes_it_when_it_is_over_and_ends(
    root: Path, build: Callable[..., Stages]
) -> None:
    stages = build()
    repro = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        started = time.perf_counter()
        assert start(root, repro.pid) is None
        cost = time.perf_counter() - started
        for _ in range(5):
            assert start(root, repro.pid) is None
        wait_for(lambda: daemons(root), root)
        record = Record.begin(root, stage="train_teacher", params={"teacher": {"epochs": 3}})
        record.metrics(0, {"loss": 1.0})
        wait_for(lambda: client(root).get_experiment_by_name("p/stages") and runs(root, "stages"), root)
        assert len(daemons(root)) == 1
        lowered = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        assert os.getpriority(os.PRIO_PROCESS, daemons(root)[0]) == lowered
        wait_for(lambda: runs(root, "stages")[0].data.metrics == {"loss": 1.0}, root)
        assert runs(root, "stages")[0].info.status == "RUNNING"
        record.end("FAILED", "MemoryError", {})
        execute(root, stages, *stages)
    finally:
        repro.communicate(b"\n")
    wait_for(lambda: not daemons(root), root)
    assert pending(root) == []
    assert sorted(run.info.status for run in runs(root, "stages")) == ["FAILED", *["FINISHED"] * 4]
    (published,) = runs(root, "builds")
    assert published.data.tags["edgebuild.executed"] == "4"
    assert list((root / ".edgebuild" / "builds").iterdir()) == []
    assert cost < 0.05  # 3 ms on a quiet machine; the test must also pass on a busy one


def test_with_nothing_to_do_it_ends_by_itself_and_has_not_imported_mlflow(root: Path) -> None:
    started = time.monotonic()
    assert start(root, os.getpid(), idle_s=0.5) is None
    wait_for(lambda: (root / ".edgebuild" / "delivery.log").read_text(), root)
    wait_for(lambda: not daemons(root), root)
    assert time.monotonic() - started < 10
    assert "there is no dvc.yaml" in (root / ".edgebuild" / "delivery.log").read_text()


def test_a_folder_that_cannot_be_written_is_a_line_and_not_an_exception(tmp_path: Path) -> None:
    (tmp_path / ".edgebuild").write_text("a file where the folder should be")
    assert "`edgebuild track` delivers it later" in (start(tmp_path, os.getpid()) or "")
    assert daemons(tmp_path) == []


def test_a_password_in_the_uri_is_not_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawned: list[Any] = []
    monkeypatch.setattr(os, "posix_spawn", lambda *arguments, **options: spawned.append(arguments))
    assert ensure_running(tmp_path, os.getpid(), "http://me:secret@host", "p", environ={}) is None
    _, command, environment = spawned[0]
    assert "secret" not in " ".join(command)
    assert environment == {"MLFLOW_TRACKING_URI": "http://me:secret@host"}
