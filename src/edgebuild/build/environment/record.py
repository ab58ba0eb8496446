"""environment.lock: in which environment the outputs that dvc.lock names were made.

dvc.lock says what a stage made from what, and not where. This file stands beside
it, is tracked by git as well, and names for each stage its outputs (by one digest)
and the environment. A stage restored from DVC's run-cache is not executed: its entry
is then put back from a log of all executions here (in .edgebuild), when the next stage
executes or `edgebuild run` ends. Outputs that were made elsewhere stay unknown: the
entry does not fit the outputs of dvc.lock, and so is known to be stale.

One line a stage, and each environment once: a build on the same machine changes
only the lines of the stages that it executed. The bytes depend on the content only.

This module is imported by every stage, so it imports little.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgebuild.build.environment.cpu import cpu_class
from edgebuild.build.recorded import recorded
from edgebuild.errors import UsageError

__all__ = ["NAME", "Environment", "Made", "current", "outs_key", "parse", "read", "refresh", "write"]

NAME = "environment.lock"
REQUIREMENTS = "requirements/runtime.txt"
SCHEMA = 1


@dataclass(frozen=True)
class Environment:
    """What surrounded a stage.

    ``python`` is implementation and version (``cpython 3.11.9``), ``system`` the
    operating system and its C library (``Linux glibc 2.36``: it has the ``exp``
    and ``log``), ``machine`` the architecture, ``cpu`` the class
    (`edgebuild.build.environment.cpu`), ``requirements`` the SHA-256 of the locked
    requirements, or "" where there are none; ``drift`` the installed packages that
    were accepted against the lock, as ``name installed!=locked``.
    """

    python: str
    system: str
    machine: str
    cpu: str
    requirements: str
    drift: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that stand for all of it."""
        return _digest(asdict(self))[:8]

    @property
    def facts(self) -> dict[str, str]:
        """Short texts by name, for people who compare runs; no drift is an empty one."""
        return {
            "python": self.python,
            "system": self.system,
            "cpu": self.cpu,
            "environment": self.id,
            "drift": ", ".join(self.drift),
        }

    @property
    def python_minor(self) -> str:
        return ".".join(self.python.split(".")[:2])


@dataclass(frozen=True)
class Made:
    """One stage's line: ``outs`` is the digest that `outs_key` makes of its outputs."""

    outs: str
    environment: Environment

    def is_of(self, outs: Mapping[str, str]) -> bool:
        """Whether it speaks of these outputs (path → MD5 of dvc.lock); otherwise it is stale."""
        return self.outs == outs_key(outs)


def current(
    root: Path, environ: Mapping[str, str], drift: tuple[str, ...] = (), requirements: str = REQUIREMENTS
) -> Environment:
    """The environment of this process, whose stages run with ``environ``.

    ``requirements`` is the path of the locked requirements, relative to ``root``.
    """
    lock = root / requirements
    system = os.uname()
    try:
        library = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):  # another C library than GNU's
        library = ""
    return Environment(
        python=f"{sys.implementation.name} {'.'.join(str(part) for part in sys.version_info[:3])}",
        system=f"{system.sysname} {library}".strip(),
        machine=system.machine,
        cpu=cpu_class(environ),
        requirements=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "",
        drift=tuple(sorted(drift)),
    )


def outs_key(outs: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits that stand for a stage's outputs, path → MD5 as in dvc.lock."""
    return _digest(dict(outs))[:16]


def write(root: Path, stage: str, outs: Mapping[str, str], environment: Environment) -> str | None:
    """Record that ``stage`` has made ``outs`` (path → MD5) in ``environment``.

    Safe against other stages doing the same at this moment, and against a kill.
    The outputs are there already and are good, so this never fails: it
    returns what a person should be told, or None.
    """
    made = Made(outs_key(outs), environment)
    try:
        with _locked(root) as log:
            entry = {"stage": stage, "outs": made.outs, "environment": asdict(environment)}
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            return _update(root, log, {stage: made})
    except OSError as error:
        return f"{NAME} does not say in which environment {stage} ran: {error}"


def refresh(root: Path) -> str | None:
    """Put back the entries of stages whose outputs were restored and had been made here; never fails, as `write`."""
    try:
        with _locked(root) as log:
            return _update(root, log, {})
    except OSError as error:
        return f"{NAME} does not say in which environment what was restored had been made: {error}"


@contextmanager
def _locked(root: Path) -> Iterator[Path]:
    """Holds the right to write; gives the path of the log."""
    state = root / ".edgebuild"
    state.mkdir(exist_ok=True)
    with (state / f"{NAME}.flock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield state / "environment.log"


def _update(root: Path, log: Path, fresh: Mapping[str, Made]) -> str | None:
    problem = None
    try:
        before = read(root)
    except UsageError as error:
        if not fresh:
            return str(error)
        before, problem = {}, f"{error} It was begun afresh with stage {', '.join(fresh)}."
    made = {**before, **_restored(root, log, before), **fresh}
    if made != before or problem:
        draft = log.with_name(f"{NAME}.new")
        draft.write_text(_text(made), encoding="utf-8")
        os.replace(draft, root / NAME)
    return problem


def _restored(root: Path, log: Path, before: Mapping[str, Made]) -> dict[str, Made]:
    """Of stages whose outputs in dvc.lock are not those of ``before``: what the log knows of these outputs."""
    keys = {stage: outs_key(outs) for stage, outs in recorded(root).items()}
    stale = {(stage, key) for stage, key in keys.items() if stage not in before or before[stage].outs != key}
    found = {}
    for line in log.read_text(encoding="utf-8").splitlines() if stale and log.is_file() else ():
        with suppress(ValueError, TypeError, KeyError):  # a line that was cut off by a kill
            entry = json.loads(line)
            if (entry["stage"], entry["outs"]) in stale:
                known = entry["environment"]
                environment = Environment(**{**known, "drift": tuple(known["drift"])})
                found[entry["stage"]] = Made(entry["outs"], environment)
    return found


def read(root: Path) -> dict[str, Made]:
    """What ``root``/environment.lock says, by stage; nothing where there is no such file.

    Raises:
        UsageError: it cannot be understood.
    """
    path = root / NAME
    return parse(path.read_text(encoding="utf-8")) if path.is_file() else {}


def parse(text: str) -> dict[str, Made]:
    """What the text of an environment.lock says, by stage.

    Raises:
        UsageError: it is no such text.
    """
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise UsageError(
                f"{NAME} has schema {document['schema']!r}, and this edgebuild reads schema {SCHEMA}; use the version "
                f"that wrote it, or delete the file: the next build writes it again"
            )
        environments = {
            name: Environment(**{**entry, "drift": tuple(entry["drift"])})
            for name, entry in document["environments"].items()
        }
        return {
            stage: Made(entry["outs"], environments[entry["environment"]])
            for stage, entry in document["stages"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{NAME} cannot be understood ({type(error).__name__}: {error}); after a merge with conflicts, take "
            f"the side that dvc.lock was taken from, or delete the file: stages that run write it again."
        ) from None


def _text(made: Mapping[str, Made]) -> str:
    environments = {entry.environment.id: asdict(entry.environment) for entry in made.values()}
    stages = {
        stage: {"outs": entry.outs, "environment": entry.environment.id} for stage, entry in made.items()
    }
    return (
        f'{{\n  "schema": {SCHEMA},\n'
        f'  "environments": {{\n{_lines(environments)}\n  }},\n'
        f'  "stages": {{\n{_lines(stages)}\n  }}\n}}\n'
    )


def _lines(entries: Mapping[str, Any]) -> str:
    return ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(entries.items())
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
