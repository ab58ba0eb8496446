"""Runs `dvc repro` as the shell would, so that Ctrl-C and SIGTERM end a build in order and leave nothing running."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from edgebuild.build.exclusive import holders

__all__ = ["run"]

POLL_S = 0.2
#: Ctrl-C on a terminal reaches DVC and the stage by itself; after this long they have not heard of it.
HEARD_S = 2.0


def run(command: Sequence[str], root: Path, environ: Mapping[str, str]) -> int:
    """The exit status of ``command``, a DVC that works in ``root``; negative for the signal that ended the build.

    A signal is passed on to the stage that runs, which ends in order; DVC then
    stops by itself, and its files are whole. Between two stages DVC gets SIGINT.
    """
    received: list[tuple[int, float]] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append((number, time.monotonic()))

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    told: set[int] = set()
    try:
        process = subprocess.Popen(command, cwd=root, env=environ, preexec_fn=_end_with_parent)
        while True:
            try:
                status = process.wait(POLL_S)
                break
            except subprocess.TimeoutExpired:
                number, at = received[0] if received else (0, 0.0)
                if number == signal.SIGTERM or (number and time.monotonic() - at > HEARD_S):
                    _pass_on(root, process.pid, told)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return -received[0][0] if received and status != 0 else status


def _end_with_parent() -> None:
    """When `edgebuild run` is killed, DVC must not go on (Linux: prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)


def _pass_on(root: Path, dvc: int, told: set[int]) -> None:
    """End each stage of this build once, and DVC where there is none: it may be about to start the next one."""
    stages = [holder.pid for holder in holders(root) if holder.build == dvc]
    for pid in stages or [dvc]:
        if pid not in told:
            told.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if pid in stages else signal.SIGINT)
