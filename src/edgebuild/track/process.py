"""Telling whether a process that once wrote down its pid is still the same, living process.

Pids are reused, so a process is identified by its pid and its start time; on
Linux the boot id is added, because start times count from boot. Zombies count as
dead: they will never write another line.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BUILD_PROCESS", "Process", "build_process", "identify", "is_alive"]

#: Names the build's process to a stage whose parents do not lead to it: one forked by a worker.
BUILD_PROCESS = "EDGEBUILD_BUILD_PROCESS"


@dataclass(frozen=True)
class Process:
    """A pid and an opaque start mark; equal only for the very same process."""

    pid: int
    start: str


def identify(pid: int) -> Process | None:
    """The process that has ``pid`` now, or None when there is none (or only a zombie)."""
    start = _linux_start(pid) if sys.platform == "linux" else _ps_start(pid)
    return None if start is None else Process(pid, start)


def is_alive(process: Process) -> bool:
    """Whether that very process (not a later one with its pid) still runs."""
    return identify(process.pid) == process


def build_process(pid: int | None = None) -> int:
    """The pid of the ``dvc repro`` that the process ``pid`` (default: this one) works for.

    DVC sets ``DVC_STAGE`` for a stage's command and so for the shell and all that
    lies between; the nearest ancestor without it is DVC itself. Where environments of
    other processes cannot be read (macOS), the parent is taken.

    A stage that a worker has forked descends from the worker. Whoever asks the worker for it
    puts the pid of the build, by this function, into the stage's ``EDGEBUILD_BUILD_PROCESS``.
    """
    if pid is None and os.environ.get(BUILD_PROCESS, "").isdigit():
        return int(os.environ[BUILD_PROCESS])
    pid = os.getpid() if pid is None else pid
    ancestor = parent = _parent(pid)
    while ancestor > 1:
        try:
            variables = Path(f"/proc/{ancestor}/environ").read_bytes().split(b"\0")
        except OSError:
            return parent
        if not any(variable.startswith(b"DVC_STAGE=") for variable in variables):
            return ancestor
        ancestor = _parent(ancestor)
    return parent


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the third (state) on; the second may hold spaces and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text[text.rfind(")") + 2 :].split()


def _linux_start(pid: int) -> str | None:
    fields = _stat(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        boot = "unknown"
    return f"{boot}-{fields[19]}"


def _ps_start(pid: int) -> str | None:
    import subprocess

    shown = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, start = shown.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else start.strip()


def _parent(pid: int) -> int:
    if pid == os.getpid():
        return os.getppid()
    fields = _stat(pid)
    return 1 if fields is None else int(fields[1])
