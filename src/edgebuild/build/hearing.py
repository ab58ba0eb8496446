"""What a stage says while it runs: shown on the console, and written to its record and log."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from edgebuild import console
from edgebuild.track.log import Log
from edgebuild.track.outbox import Record

__all__ = ["Hearing"]


class Hearing:
    """One stage's: ``written`` says at its end which line of code wrote to a path."""

    def __init__(self, name: str, record: Record) -> None:
        self._name, self._record, self._log = name, record, Log(record.log)
        self._progress = console.Progress(name)
        self._start = time.monotonic()
        self._failed = False
        self.written: Mapping[str, str] = {}

    def message(self, kind: str, value: Any) -> None:
        """One message of `edgebuild.build.stage.Stage`, by the name of its method."""
        if kind == "metrics":
            self._record.metrics(*value)
        elif kind == "progress":
            self._progress.update(*value)
        elif kind == "say":
            line = f"{self._name}: {value} ({time.monotonic() - self._start:.1f} s)"
            self._progress.close()
            console.say(line)
            self._write(f"{line}\n".encode())
        elif kind == "warn":
            self._progress.close()
            console.warn(value)
            self._write(f"edgebuild: {value}\n".encode())
        else:
            self.written = value

    def output(self, descriptor: int, data: bytes) -> None:
        """What was printed on descriptor 1 or 2, by native code and child processes too."""
        self._progress.close()
        stream = sys.stdout if descriptor == 1 else sys.stderr
        stream.write(data.decode(errors="replace"))
        stream.flush()
        self._write(data)

    def close(self) -> None:
        """Clear the bar, for what is shown next is not the stage's; end the log."""
        self._progress.close()
        self._log.close()

    def _write(self, data: bytes) -> None:
        """Append to the log, which is delivered with the record; a full disk must not stop the stage."""
        self._log.write(data)
        if self._log.broken and not self._failed:
            console.warn(f"the log of this stage is incomplete: {self._log.broken}")
            self._failed = True
