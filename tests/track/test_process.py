from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgebuild.track.process import Process, build_process, identify, is_alive


def test_this_process_is_alive_and_a_later_owner_of_its_pid_is_not_it() -> None:
    own = identify(os.getpid())
    assert own is not None
    assert is_alive(own)
    assert not is_alive(Process(own.pid, own.start + "0"))


def test_a_dead_process_that_nobody_has_waited_for_is_not_alive() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # dead, and left a zombie
    assert identify(child) is None
    os.waitpid(child, 0)
    assert identify(child) is None


def test_the_build_process_is_the_nearest_ancestor_that_runs_no_stage() -> None:
    script = "from edgebuild.track.process import build_process; print(build_process())"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}])"
    stage = {**os.environ, "DVC_STAGE": "export@litert-int8"}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=stage, capture_output=True, text=True, check=True
    )
    assert int(shown.stdout) == os.getpid()
    assert build_process() == os.getppid()


def test_a_stage_forked_by_a_worker_is_told_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBUILD_BUILD_PROCESS", "4711")
    assert build_process() == 4711
    monkeypatch.setenv("EDGEBUILD_BUILD_PROCESS", "no pid")
    assert build_process() == os.getppid()
