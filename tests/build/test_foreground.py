"""A build in the foreground: signals end its stage and then its DVC, in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgebuild.build import foreground

#: Stands for DVC: starts one stage after the other, deaf to SIGINT meanwhile, and stops when one fails.
DVC = """\
import os, signal, subprocess, sys
for number in range(3):
    print("stage", number, flush=True)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    stage = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
    if stage.wait() != 0:
        sys.exit(255)
    signal.signal(signal.SIGINT, handler)
"""
STAGE = """\
import sys, time
from pathlib import Path
from edgebuild.build.exclusive import stage_lock
with stage_lock(Path.cwd(), "train", int(sys.argv[1])):
    Path("started").write_text("")
    time.sleep(60)
"""
BUILD = """\
import os, sys
from pathlib import Path
from edgebuild.build import foreground
foreground.HEARD_S = 0.3
print(foreground.run([sys.executable, "-c", *sys.argv[1:]], Path.cwd(), dict(os.environ)))
"""


def test_the_status_is_that_of_the_command(tmp_path: Path) -> None:
    assert foreground.run(["sh", "-c", "exit 7"], tmp_path, {}) == 7
    assert foreground.run(["true"], tmp_path, {}) == 0


def test_a_killed_command_is_told_by_its_signal(tmp_path: Path) -> None:
    assert foreground.run(["sh", "-c", "kill -9 $$"], tmp_path, {}) == -9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_stage_and_then_dvc(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", BUILD, DVC, STAGE]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as build:
        while not (tmp_path / "started").exists():
            time.sleep(0.05)
        build.send_signal(number)
        said, _ = build.communicate(timeout=30)
    assert said == f"stage 0\n{-number}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere DVC goes on to the end")
def test_dvc_does_not_go_on_when_the_build_is_killed(tmp_path: Path) -> None:
    code = "import time; print('on', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == "on\n"
        build.kill()
        said, _ = build.communicate(timeout=30)  # ends when both have closed it
    assert said == ""


def test_a_signal_between_two_stages_interrupts_dvc(tmp_path: Path) -> None:
    between = "import time; print('between', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, between],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == "between\n"
        build.send_signal(signal.SIGTERM)
        said, _ = build.communicate(timeout=30)
    assert said == f"{-signal.SIGTERM}\n"


def test_a_signal_after_which_the_build_succeeds_changes_nothing(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('on', flush=True); time.sleep(1)"
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == "on\n"
        build.send_signal(signal.SIGINT)
        said, _ = build.communicate(timeout=30)
    assert said == "0\n"
