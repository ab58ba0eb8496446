"""Clears up after a killed ``dvc repro``, so that the next one can begin.

DVC writes dvc.lock anew after each stage, 0.2 s long for 44 stages, and refuses to
start on half a file; so it does on half a file of its locks, or where these name a
process that is dead but not yet buried. And a DVC that is ended by SIGTERM or
``kill -9`` leaves the stage that it has started running. None of that can be
prevented from inside a stage. So the first stage of a build starts this small
process, which sleeps until DVC's process is gone and then puts back the dvc.lock
that was whole when the last stage began (what that lacks is in DVC's run-cache),
clears the locks, and ends what still runs of that build.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgebuild.build.exclusive import dvc_at_work, holders
from edgebuild.build.recorded import recorded

__all__ = ["ensure_watched", "keep_lock", "main", "mend_lock"]

POLL_S = 0.2
#: How long a stage may take to end in order before it is killed.
GRACE_S = 10.0


def ensure_watched(root: Path, build: int, environ: Mapping[str, str]) -> None:
    """Keep the present dvc.lock, and start the process that watches ``build``, a ``dvc repro``, unless there is one.

    Takes a few milliseconds. Raises OSError on a full disk.
    """
    state = root.resolve() / ".edgebuild"
    (state / "locks").mkdir(parents=True, exist_ok=True)
    keep_lock(root)
    with (state / "locks" / f"guard-{build}").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    # A session of its own: whatever kills the build does not kill it. -P: the working folder's modules must
    # not shadow installed ones.
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", "-m", "edgebuild.build.guard", str(root.resolve()), str(build)],
        {**environ},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def mend_lock(root: Path) -> str | None:
    """Put the kept dvc.lock back if the present one cannot be read; returns what was done, or None.

    What the kept one cannot tell is in DVC's run-cache, or made again.
    """
    path, kept = root / "dvc.lock", _kept(root)
    if not path.exists() or (kept.is_file() and path.read_bytes() == kept.read_bytes()) or _is_whole(path):
        return None
    if kept.is_file() and _is_whole(kept):
        _copy(kept, path)
        return "dvc.lock was cut off by a kill; the one of the last stage's start is back"
    path.unlink()
    return "dvc.lock was cut off by a kill and is removed; DVC's run-cache knows what was made"


def _kept(root: Path) -> Path:
    return root / ".edgebuild" / "dvc.lock"


def keep_lock(root: Path) -> None:
    """Keep the present dvc.lock; while a stage runs, and after a build, DVC does not write and it is whole."""
    path, kept = root / "dvc.lock", _kept(root)
    with contextlib.suppress(FileNotFoundError):
        if not kept.is_file() or path.read_bytes() != kept.read_bytes():
            _copy(path, kept)


def _copy(source: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copyfile(source, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    """Whether DVC can read this dvc.lock, by DVC's own rules; takes half a second."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except (YAMLError, Invalid, ValueError):
        return False
    return True


def _watch(root: Path, build: int) -> None:
    _wait(build)
    _clear(root)
    ending = [holder for holder in holders(root) if holder.build == build]
    for holder in ending:
        _signal(holder.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while ending and time.monotonic() < deadline:
        time.sleep(POLL_S)
        ending = [holder for holder in holders(root) if holder in ending]
    for holder in ending:
        _signal(holder.pid, signal.SIGKILL)


def _clear(root: Path) -> None:
    """Make what DVC reads when it starts whole again, unless another one has started: that has read it already."""
    if dvc_at_work(root):
        return
    with contextlib.suppress(OSError), (root / ".dvc" / "tmp" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A text that was cut off between two lines can be read, but entries are missing.
        missing = recorded(_kept(root).parent).keys() - recorded(root).keys()
        if missing and _is_whole(_kept(root)):
            _copy(_kept(root), root / "dvc.lock")
        else:
            mend_lock(root)


def _wait(pid: int) -> None:
    """Until the process is gone."""
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            select.select([descriptor], [], [])
            os.close(descriptor)
        return
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            time.sleep(POLL_S)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def main(arguments: Sequence[str]) -> int:
    """``python -m edgebuild.build.guard ROOT PID``."""
    root, build = Path(arguments[0]), int(arguments[1])
    path = root / ".edgebuild" / "locks" / f"guard-{build}"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        os.chdir("/")  # keep no folder busy
        _watch(root, build)
        path.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
