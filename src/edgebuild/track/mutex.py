"""One delivery at a time per repository, be it the delivery process's pass or `edgebuild track`."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgebuild.track.outbox import state_folder

__all__ = ["delivery_lock"]


@contextmanager
def delivery_lock(root: Path, wait_s: float) -> Iterator[int | None]:
    """Hold the right to deliver; yields the pid of the previous holder, or None if not had in time.

    0 stands for an unknown holder. A holder that finds its own pid knows that nobody delivered in between.

    Raises OSError where the lock file cannot be made.
    """
    state_folder(root).mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with open(state_folder(root) / "delivery.lock", "a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    yield None
                    return
                time.sleep(0.1)
        file.seek(0)
        holder = file.read().strip()
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield int(holder) if holder.isdigit() else 0
