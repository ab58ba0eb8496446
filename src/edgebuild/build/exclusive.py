"""One build at a time in a repository, and one execution of a stage at a time.

Locks are the operating system's (flock): they vanish with their process, also
with ``kill -9``, so none is ever stale. The file of a lock names its holder, for the message.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from edgebuild import console

__all__ = ["Holder", "build_lock", "dvc_at_work", "holders", "is_dvc", "stage_lock", "wait_for_dvc"]

POLL_S = 0.2


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: its pid, the ``dvc repro`` it works for (0: none), and its command."""

    pid: int
    build: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid}: {self.command}"


@contextmanager
def build_lock(root: Path) -> Iterator[None]:
    """Hold the right to build ``root`` as a whole; waits for another build, and says so."""
    with _hold(root, "build", "another build runs here", 0):
        wait_for_dvc(root)
        yield


@contextmanager
def stage_lock(root: Path, name: str, build: int = 0) -> Iterator[None]:
    """Hold the right to execute stage ``name``; waits for another execution of it, and says so.

    ``build`` is the pid of the ``dvc repro`` that executes it. A process that is forked meanwhile
    holds the lock as well, until it ends.
    """
    with _hold(root, f"stage-{name}", f"stage {name} runs here already", build):
        yield


def holders(root: Path) -> list[Holder]:
    """Who executes stages of ``root`` now."""
    found = []
    for path in (root / ".edgebuild" / "locks").glob("stage-*"):
        with contextlib.suppress(FileNotFoundError), path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if (holder := _holder(path)) is not None:
                    found.append(holder)
    return found


@contextmanager
def _hold(root: Path, name: str, busy: str, build: int) -> Iterator[None]:
    path = root / ".edgebuild" / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.warn(f"{busy} ({_holder(path) or 'another process'}); waiting until it ends")
            fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):  # on a full disk the holder has no name, and the lock holds
            file.truncate(0)
            file.write(
                json.dumps(asdict(Holder(os.getpid(), build, shlex.join(["edgebuild", *sys.argv[1:]]))))
            )
            file.flush()
        yield


def _holder(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):  # it has not written its name yet, or could not
        return None


def wait_for_dvc(root: Path) -> None:
    """Wait until no other ``dvc`` works in ``root``, and remove what a killed one has left.

    DVC itself would refuse after three seconds, or at the first stage that both
    want; and it takes the reused pid of a killed one for a living one.
    """
    told = False
    while busy := dvc_at_work(root):
        if not told:
            console.warn(f"DVC works here ({busy}); waiting until it ends")
            told = True
        time.sleep(POLL_S)


def dvc_at_work(root: Path) -> str | None:
    """Which DVC works in the repository, or None; then what a killed one has left is removed.

    DVC holds the lock except while a stage's command runs; then its pid is in the
    file ``rwlock``, which is only changed under the lock. So, under the lock, the file is the truth.
    """
    folder = root / ".dvc" / "tmp"
    try:
        lock = (folder / "lock").open("r+")
    except OSError:
        return None  # DVC has never run here
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return f"process {(folder / 'lock').read_text().strip()}"
        rwlock = folder / "rwlock"
        try:
            document = json.loads(rwlock.read_text())
            entries = [
                *document.get("write", {}).values(),
                *(entry for listed in document.get("read", {}).values() for entry in listed),
            ]
            pids = {int(entry["pid"]) for entry in entries}
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError, KeyError):
            rwlock.unlink()  # DVC was killed while it wrote
            return None
        if busy := sorted(pid for pid in pids if is_dvc(pid)):
            return f"process {busy[0]}"
        if pids:
            rwlock.unlink()
        return None


def is_dvc(pid: int) -> bool:
    """Whether a process with this pid exists and is a DVC; any process, where that cannot be seen.

    A dead one whose parent has not yet taken notice has no command line; DVC takes it for a living one.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return b"dvc" in Path(f"/proc/{pid}/cmdline").read_bytes()
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
