"""What another git revision committed: its documents and locks, read without checking anything out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.errors import UsageError

__all__ = ["Revision", "read"]


@dataclass(frozen=True)
class Revision:
    """One commit; ``params``, ``lock`` and ``environment`` are texts, "" where it has no such file."""

    name: str  #: as it was asked for
    commit: str
    summary: Mapping[str, Any]
    latency: Mapping[str, Any]
    params: str
    lock: str
    environment: str


def read(root: Path, name: str) -> Revision:
    """The revision ``name`` (a branch, a tag, ``HEAD~1``) of the build in the folder ``root``.

    Raises:
        UsageError: this is no git repository, it has no such revision, or that has no results.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit is None:
        raise UsageError(
            f"--against {name}: git knows no such revision here; name a branch, tag or commit (in a shallow clone, "
            "fetch it first: git fetch --depth=1 origin BRANCH)"
        )
    commit = commit.strip()
    documents = {}
    for kind in ("summary", "latency"):
        text = _git(root, "show", f"{commit}:./metrics/{kind}.json")
        if text is None:
            raise UsageError(
                f"--against {name}: its commit {commit[:10]} has no metrics/{kind}.json; name one with results"
            )
        try:
            documents[kind] = json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(f"--against {name}: its metrics/{kind}.json is not JSON: {error}") from None
    params, lock, environment = (
        _git(root, "show", f"{commit}:./{file}") or ""
        for file in ("params.yaml", "dvc.lock", "environment.lock")
    )
    return Revision(name, commit, documents["summary"], documents["latency"], params, lock, environment)


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise UsageError("--against needs git, which is not installed") from None
    return shown.stdout if shown.returncode == 0 else None
