"""How a stage failed, for `edgebuild run`: DVC ends with 255, whatever its stage ended with."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from edgebuild.build.intact import DamageError
from edgebuild.errors import EdgebuildError

__all__ = ["Failure", "leave", "take"]


@dataclass(frozen=True)
class Failure:
    """The stage, its exit status, and whether building again would mend it."""

    stage: str
    status: int
    again: bool


def leave(root: Path, stage: str, error: EdgebuildError) -> None:
    """Note how ``stage`` failed; without room for that, a build's exit status is 1."""
    failure = Failure(stage, error.exit_status, isinstance(error, DamageError))
    with contextlib.suppress(OSError):
        _path(root).parent.mkdir(exist_ok=True)
        _path(root).write_text(json.dumps(asdict(failure)), encoding="utf-8")


def take(root: Path) -> Failure | None:
    """What was left, once."""
    try:
        failure = Failure(**json.loads(_path(root).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # there is none, or the disk was full
        failure = None
    _path(root).unlink(missing_ok=True)
    return failure


def _path(root: Path) -> Path:
    return root / ".edgebuild" / "failed.json"
