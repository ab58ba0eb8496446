"""Are the installed packages those that the lock names? Other packages are another build.

Only the names of the installed ``*.dist-info`` folders are read, which takes
milliseconds; a line of the lock with a marker need not be installed, but if it is, at that version.
Of edgebuild itself the code counts (`edgebuild.build.environment.library`), where a lock pins it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from edgebuild.build.environment import library
from edgebuild.errors import UsageError

__all__ = ["check", "drift", "listed"]

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)\s*(;)?", re.MULTILINE)
INFO = re.compile(r"^(.+?)-([^-]+)\.dist-info$")
SHOWN = 5
ACCEPT = (
    "build with what is here and have it recorded: `edgebuild run --allow-drift`, or EDGEBUILD_ALLOW_DRIFT=1 "
    "with dvc repro"
)


def drift(lock: str, path: Iterable[str] | None = None) -> tuple[str, ...]:
    """The packages that differ from the text of a lock, as ``name installed!=locked``.

    ``path`` are the folders that packages are imported from, ``sys.path`` if not given.
    """
    installed = _installed(sys.path if path is None else path)
    locked: dict[str, set[str]] = {}
    required = set()
    for name, version, marker in PIN.findall(lock):
        locked.setdefault(_canonical(name), set()).add(version)
        if not marker:
            required.add(_canonical(name))
    return tuple(
        f"{name} {installed.get(name, 'missing')}!={' or '.join(sorted(versions))}"
        for name, versions in sorted(locked.items())
        if (installed[name] not in versions if name in installed else name in required)
    )


def check(root: Path, deps: Iterable[str], *, allowed: bool) -> tuple[str, ...]:
    """The drift from those of ``deps`` that are locks (``requirements/*.txt``); none if it is not ``allowed``.

    Raises:
        UsageError: packages differ, and that is not allowed.
    """
    found: list[str] = []
    for path in deps:
        if path.startswith("requirements/") and path.endswith(".txt"):
            lock = (root / path).read_text(encoding="utf-8")
            is_library = library.pinned(lock) is not None
            differing = library.pinned_drift(lock) if is_library else drift(lock)
            if differing and not allowed:
                raise UsageError(_other_library(path, differing) if is_library else _others(path, differing))
            found += differing
    return tuple(found)


def listed(differing: tuple[str, ...]) -> str:
    """The first few of what `drift` found, and how many more there are."""
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return ", ".join(differing[:SHOWN]) + more


def _others(path: str, differing: tuple[str, ...]) -> str:
    return (
        f"the installed packages are not those of {path}: {listed(differing)}; install "
        f"them (pip install --require-hashes -r {path}), or {ACCEPT}"
    )


def _other_library(path: str, differing: tuple[str, ...]) -> str:
    return (
        f"this edgebuild is not the one that {path} names: {', '.join(differing)}; install that one, or take this "
        f"one for the whole build (`edgebuild init --upgrade`, after which all stages run again), or {ACCEPT}"
    )


def _installed(path: Iterable[str]) -> dict[str, str]:
    """Name → version of what an import would find: the first on the path."""
    found: dict[str, str] = {}
    for folder in path:
        try:
            names = os.listdir(folder or ".")
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            if match := INFO.match(name):
                found.setdefault(_canonical(match[1]), match[2])
    return found


def _canonical(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()
