"""The outbox on disk: what an executed stage writes down, and what waits for delivery.

``<root>/.edgebuild/outbox/<record>/events.jsonl`` holds one JSON object per line:
one ``begin``, any number of ``metrics`` and ``artifact``, one ``end``. Lines are
appended with a single ``write`` each and never rewritten. That survives ``kill -9``
at any point (not a power cut: nothing is fsynced, a stage must not wait for disks).
A line torn by a kill or a full disk is skipped by the reader; the writer starts the
line after a torn one afresh, so only the torn event is lost.

Writing never raises and never blocks on anything but the file: the first failure
is remembered, and ``Record.end`` returns it for the runner to print. A record
without an end whose process is dead is KILLED.

This module is imported by every stage, so it imports little (< 50 ms, tested).
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgebuild.track.events import Artifact, Begin, End, Event, Metrics, Status, parse
from edgebuild.track.process import identify, is_alive

__all__ = [
    "Artifact",
    "Begin",
    "End",
    "Event",
    "Metrics",
    "Pending",
    "Record",
    "Status",
    "pending",
    "read",
    "record_folders",
    "state_folder",
]

EVENTS_FILE = "events.jsonl"
LOG_FILE = "log.txt"
RESERVE_FILE = "reserve"
#: Bytes of the disk that are kept for the end: a stage that fails on a full disk must not look like a killed one.
RESERVE = 65_536


class Record:
    """The writing side: one per executed stage, made by `Record.begin`.

    Attributes:
        id: names the record everywhere: its folder, its tag in MLflow; sorts by time.
        log: where the stage's console output goes (`edgebuild.track.log`); it is delivered with the end.
        problem: the first failure to write, or None. Methods never raise.
    """

    def __init__(self, root: Path, stage: str) -> None:
        now_us = time.time_ns() // 1000
        slug = re.sub(r"[^A-Za-z0-9_-]+", ".", stage)[:80]
        self.id = f"{now_us:017d}-{slug}-{os.urandom(4).hex()}"
        self.problem: str | None = None
        self._root = root
        self._folder = state_folder(root) / "outbox" / self.id
        self.log = self._folder / LOG_FILE
        self._file: int | None = None
        self._torn = False

    @classmethod
    def begin(
        cls,
        root: Path,
        *,
        stage: str,
        params: Mapping[str, object],
        deps: Sequence[str] = (),
        revision: str = "",
        facts: Mapping[str, str] | None = None,
    ) -> Record:
        """Open a record for ``stage`` (as DVC names it, ``export@litert-int8``) in the repository ``root``.

        ``params`` are the values that the stage's entry in dvc.yaml declares, nested or
        dotted; with the outs of `end` they tie the record to its entry of dvc.lock.
        ``revision`` is `edgebuild.track.revision.revision` of the code that runs. ``facts`` are
        short texts about the environment (``cpu``, ``drift``); they become tags ``edgebuild.<name>``.
        """
        record = cls(root, stage)
        try:
            record._folder.mkdir(parents=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            record._file = os.open(record._folder / EVENTS_FILE, flags, 0o644)
            own = identify(os.getpid())
        except OSError as error:
            record._remember(error)
            return record
        record._write(
            "begin",
            record=record.id,
            stage=stage,
            params=dict(params),
            deps=list(deps),
            revision=revision,
            pid=os.getpid(),
            start="" if own is None else own.start,
            facts={"python": sys.version.split()[0], "system": sys.platform, **(facts or {})},
        )
        record._reserve()
        return record

    def metrics(self, step: int | None, values: Mapping[str, float]) -> None:
        """Append values reached at ``step``; anything ``float()`` accepts is a value, NaN too."""
        try:
            numbers = {key: float(value) for key, value in values.items()}
        except (TypeError, ValueError) as error:
            self._remember(error)
            return
        self._write("metrics", step=None if step is None else int(step), values=numbers)

    def artifact(self, path: Path, md5: str, size: int) -> None:
        """Refer to a file beyond the stage's outs: ``path`` absolute or relative to the root."""
        relative = path.relative_to(self._root) if path.is_relative_to(self._root) else path
        self._write("artifact", path=relative.as_posix(), md5=md5, size=int(size))

    def end(self, status: Status, message: str | None, outs: Mapping[str, str]) -> str | None:
        """Close the record; returns a one-line warning if any of it could not be written."""
        if not self._write("end", status=status, message=message, outs=dict(outs)):
            self._release()
            self._write("end", status=status, message=message, outs=dict(outs))
        self._release()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self.problem is None:
            return None
        return f"tracking of this stage is incomplete, the stage is not affected: {self.problem}"

    def _reserve(self) -> None:
        with suppress(OSError), open(self._folder / RESERVE_FILE, "wb") as file:  # nothing is lost without it
            file.write(bytes(RESERVE))

    def _release(self) -> None:
        with suppress(OSError):  # the delivery removes it as well
            (self._folder / RESERVE_FILE).unlink(missing_ok=True)

    def _write(self, event: str, **fields: object) -> bool:
        """Append one event; False when it is not wholly there."""
        if self._file is None:
            return False
        entry = {"event": event, "time_ms": time.time_ns() // 1_000_000, **fields}
        try:
            line = json.dumps(entry, default=str).encode() + b"\n"
            data = b"\n" + line if self._torn else line
            written = os.write(self._file, data)
            self._torn = written < len(data)
            if self._torn:
                raise OSError(f"wrote {written} of {len(data)} bytes of an event: is the disk full?")
        except (OSError, TypeError, ValueError) as error:
            self._remember(error)
            return False
        return True

    def _remember(self, error: Exception) -> None:
        self.problem = self.problem or f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Pending:
    """A record that waits, as far as it is written; ``status`` is RUNNING while its process lives."""

    folder: Path
    begin: Begin
    events: tuple[Event, ...]
    status: Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


def state_folder(root: Path) -> Path:
    """Where edgebuild keeps what is not part of the repository: ``<root>/.edgebuild``."""
    return root / ".edgebuild"


def record_folders(root: Path) -> list[Path]:
    """Folders of all waiting records, oldest first; none when there is no outbox."""
    try:
        return sorted(entry for entry in (state_folder(root) / "outbox").iterdir() if entry.is_dir())
    except OSError:
        return []


def read(folder: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Whole events from byte ``offset`` on, and the offset to continue from.

    A last line without its newline is still being written and left for the next
    call; a line that is no event (torn) is skipped.
    """
    try:
        with open(folder / EVENTS_FILE, "rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    events = [event for line in whole.splitlines() if (event := parse(line)) is not None]
    return events, offset + len(whole)


def pending(root: Path) -> list[Pending]:
    """Every waiting record with all its events, oldest first."""
    records = []
    for folder in record_folders(root):
        events, _ = read(folder)
        begin = next((event for event in events if isinstance(event, Begin)), None)
        if begin is None:
            continue
        alive = is_alive(begin.process)
        if not alive:  # it may have written its end between our reading and its death
            events, _ = read(folder)
        end = next((event for event in events if isinstance(event, End)), None)
        status = end.status if end is not None else ("RUNNING" if alive else "KILLED")
        records.append(Pending(folder, begin, tuple(events), status))
    return records
