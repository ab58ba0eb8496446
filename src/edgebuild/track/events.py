"""What a record consists of: the events of one executed stage, one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgebuild.track.process import Process

__all__ = ["Artifact", "Begin", "End", "Event", "Metrics", "Status", "parse"]

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class Begin:
    """A stage starts. ``time_ms`` is Unix time in milliseconds (UTC), here and below."""

    time_ms: int
    record: str
    stage: str
    params: Mapping[str, object]
    deps: Sequence[str]
    revision: str
    pid: int
    start: str
    facts: Mapping[str, str]

    @property
    def process(self) -> Process:
        """The process that writes this record."""
        return Process(self.pid, self.start)


@dataclass(frozen=True)
class Metrics:
    """Values at a step (an epoch); ``step`` is None for values of the stage as a whole."""

    time_ms: int
    step: int | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Artifact:
    """A file by path (relative to the root, ``/``), md5 and size in bytes; its bytes stay where they are."""

    time_ms: int
    path: str
    md5: str
    size: int


@dataclass(frozen=True)
class End:
    """The stage ends. ``outs`` maps paths to md5 as DVC computes it (``….dir`` for directories)."""

    time_ms: int
    status: Status
    message: str | None
    outs: Mapping[str, str]


Event = Begin | Metrics | Artifact | End
_KINDS: dict[str, type[Event]] = {"begin": Begin, "metrics": Metrics, "artifact": Artifact, "end": End}


def parse(line: bytes) -> Event | None:
    """The event of one line, or None if it is no event."""
    try:
        fields = json.loads(line)
        return _KINDS[fields.pop("event")](**fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # torn, or of a kind that only a newer version writes
