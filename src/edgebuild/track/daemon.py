"""One detached process per repository that delivers while a build goes on.

A stage's runner calls `ensure_running`, which notes the build (the ``dvc repro``
process) in ``.edgebuild/builds/<pid>`` and starts the process if none holds
``.edgebuild/daemon.lock``. The process follows the outbox twice a second and ends when
every noted build is over, after a last delivery and the publication of the build,
or when nothing has happened for a while. It never reads or prints to the terminal:
its words are in ``.edgebuild/delivery.log``.

No request is lost between two processes: the note is written before the lock is
tried, and a process that ends looks for notes once more after it let go of the lock.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from edgebuild.track.outbox import state_folder
from edgebuild.track.process import Process, identify, is_alive

__all__ = ["NICENESS", "ensure_running", "main"]

#: added to that of the build: stages go first
NICENESS = 15
POLL_S = 0.5
IDLE_S = 600.0
LONGEST_PAUSE_S = 30.0  # between attempts on a store that does not answer


def ensure_running(
    root: Path,
    parent_pid: int,
    tracking_uri: str,
    project: str,
    *,
    environ: Mapping[str, str],
    idle_s: float = IDLE_S,
) -> str | None:
    """Make sure that one process delivers for ``root`` until ``parent_pid`` is gone; takes < 10 ms.

    ``environ`` is the environment to start it with. Returns None, or one line on why
    there is no delivery (the records stay, and nothing else is affected). Never raises
    for the state of the disk or of processes.
    """
    try:
        state = state_folder(root.resolve())
        parent = identify(parent_pid)
        if parent is not None:
            (state / "builds").mkdir(parents=True, exist_ok=True)
            draft = state / f"build-{os.getpid()}.tmp"
            draft.write_text(parent.start)
            draft.replace(
                state / "builds" / str(parent.pid)
            )  # at once: a half-read note would be a dead build
        with _lock(state) as free:
            if not free:
                return None
        _spawn(root.resolve(), tracking_uri, project, environ, idle_s)
    except OSError as error:
        return f"no live tracking of this build (`edgebuild track` delivers it later): {error}"
    return None


def _spawn(root: Path, uri: str, project: str, environ: Mapping[str, str], idle_s: float) -> None:
    # posix_spawn: no Popen object that would warn about a child left running. -P: the working
    # folder's modules must not shadow installed ones. The URI may hold a password: not in argv.
    command = [sys.executable, "-P", "-m", "edgebuild.track.daemon", str(root), "--project", project]
    log = os.open(
        state_folder(root) / "delivery.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
    )
    try:
        os.posix_spawn(
            sys.executable,
            [*command, "--idle-s", str(idle_s)],
            {**environ, "MLFLOW_TRACKING_URI": uri},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(log)


@contextmanager
def _lock(state: Path) -> Iterator[bool]:
    """Whether the daemon's lock was free; if so it is held until the end."""
    state.mkdir(parents=True, exist_ok=True)
    with open(state / "daemon.lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _builds(state: Path) -> tuple[list[Path], list[Path]]:
    """Notes of builds that go on, and of builds that are over."""
    notes = sorted((state / "builds").glob("*"))
    going = [note for note in notes if is_alive(Process(int(note.name), note.read_text()))]
    return going, [note for note in notes if note not in going]


def _follow(root: Path, uri: str, project: str, idle_s: float) -> None:
    """Deliver until every build is over or nothing has happened for ``idle_s`` seconds; then publish."""
    from edgebuild.track.delivery import Courier
    from edgebuild.track.sync import publish_now

    state = state_folder(root)
    courier = Courier(root, uri, project)
    pause, last_reason, quiet_since = POLL_S, None, time.monotonic()
    while True:
        going, over = _builds(state)  # before the delivery: what an ended build wrote is then delivered
        delivered = courier.run()
        if delivered.finished or delivered.running or delivered.waiting:
            quiet_since = time.monotonic()
        if delivered.reason != last_reason:
            _say(f"delivery: {delivered.reason or 'goes on'}")
            last_reason = delivered.reason
        pause = min(2 * pause, LONGEST_PAUSE_S) if delivered.reason else POLL_S
        idle = time.monotonic() - quiet_since > idle_s
        if idle or not going:
            break
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline and _builds(state)[0]:
            time.sleep(POLL_S)
    for note in over:
        note.unlink(missing_ok=True)
    if idle:
        for note in going:
            note.unlink(missing_ok=True)
    build = publish_now(root, uri, project, delivered, wait_s=60.0)
    _say(f"build {build.key}: {build.link}" if build.run_id else f"no build published: {build.reason}")


def _say(line: str) -> None:
    with suppress(OSError):  # a full disk: what is to be delivered matters more than the log
        print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} [{os.getpid()}] {line}", flush=True)


def _give_way() -> None:
    """Take a core that a stage wants for 3.4% of its time, not for the 3 s of importing mlflow."""
    os.nice(NICENESS)
    with suppress(OSError):  # no autogroups here: then niceness counts between sessions too (sched(7))
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def main(arguments: Sequence[str] | None = None) -> int:
    """The delivery process; the tracking URI is in the environment's ``MLFLOW_TRACKING_URI``."""
    import argparse

    parser = argparse.ArgumentParser(prog="edgebuild.track.daemon", description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--project", required=True)
    parser.add_argument("--idle-s", type=float, default=IDLE_S)
    options = parser.parse_args(arguments)
    os.chdir(options.root)
    _give_way()
    state = state_folder(options.root)
    while True:
        with _lock(state) as free:
            if not free:
                return 0
            _follow(options.root, os.environ["MLFLOW_TRACKING_URI"], options.project, options.idle_s)
        if not (_builds(state)[0] or _builds(state)[1]):
            return 0


if __name__ == "__main__":
    sys.exit(main())
