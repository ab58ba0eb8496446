"""A place with its own workers, and a stand-in for edgebuild that does what a test wants done in a stage's place."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from edgebuild.build.environment.variables import PINNED

#: does what ``edgebuild run`` does first: asks the worker, and becomes a plain process if there is none
CLIENT = """\
import os, sys
from pathlib import Path
from edgebuild.build.worker.client import delegate
code, idle_s, *arguments = sys.argv[1:]
sys.path.insert(1, code)
status = delegate("make", arguments, Path.cwd(), dict(os.environ), idle_s=float(idle_s))
if status is None:
    Path("plain").write_text("")
    os.environ["PYTHONPATH"] = code
    os.execv(sys.executable, [sys.executable, "-m", "edgebuild", *arguments])
sys.exit(status)
"""
IDLE_S = 60.0


@dataclass(frozen=True)
class Workshop:
    """``folder`` is the working folder of its clients, ``code`` holds the stand-in."""

    folder: Path
    code: Path
    run_folder: Path

    def write(self, main: str) -> None:
        """Make ``main`` what the command does."""
        (self.code / "edgebuild" / "__main__.py").write_text(main)

    def start(
        self,
        *arguments: str,
        idle_s: float = IDLE_S,
        variables: dict[str, str] | None = None,
        **options: object,
    ) -> subprocess.Popen[str]:
        """A client, with pipes for streams unless ``options`` of Popen say otherwise."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [
            sys.executable,
            str(self.run_folder / "client.py"),
            str(self.code),
            str(idle_s),
            *arguments,
        ]
        environment = {**self.environment(), "EDGEBUILD_WORKER": "1", **(variables or {})}
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            command, cwd=self.folder, env=environment, text=True, **(pipes | options)
        )

    def run(self, *arguments: str, text: str = "", **options: object) -> tuple[int, str, str]:
        """Status, standard output and standard error of a client that had a worker."""
        with self.start(*arguments, **options) as client:  # type: ignore[arg-type]
            out, err = client.communicate(text, timeout=60)
        assert not self.was_plain()
        return client.returncode, out, err

    def plain(self, *arguments: str, text: str = "") -> tuple[int, str, str]:
        """The same of a plain process."""
        done = subprocess.run(
            [sys.executable, "-m", "edgebuild", *arguments], cwd=self.folder, input=text, text=True,
            capture_output=True, env={**self.environment(), **PINNED, "PYTHONPATH": str(self.code)},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def was_plain(self) -> bool:
        """Whether a client did the work itself."""
        return (self.folder / "plain").exists()

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {**kept, "XDG_RUNTIME_DIR": str(self.run_folder), "EDGEBUILD_WORKER": "0"}

    def servers(self) -> set[int]:
        """Pids of the servers that live."""
        logs = (self.run_folder / "edgebuild").glob("*.log")
        pids = {int(pid) for log in logs for pid in re.findall(r"\[(\d+)\] started", log.read_text())}
        return {pid for pid in pids if lives(pid)}

    def close(self) -> None:
        """End the servers."""
        for pid in self.servers():
            os.kill(pid, signal.SIGTERM)
            wait(lambda pid=pid: not lives(pid))  # type: ignore[misc]


def lives(pid: int) -> bool:
    """Whether there is such a process, and not its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait(condition: object, seconds: float = 30.0) -> None:
    """Until ``condition()`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
