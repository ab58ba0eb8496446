"""Would anything rerun? The same question as verify's, from digests alone: nothing is executed or pulled.

In a clean clone no output exists, which is no reason to rerun; everything
else that DVC finds changed is. Files that git tracks as outputs must have the
digest that dvc.lock records, or the metrics in the repository are not those of
the build.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgebuild.build.declaration import Declaration
from edgebuild.build.digest import md5
from edgebuild.build.verify.clone import Clone
from edgebuild.build.verify.compare import descendants
from edgebuild.build.verify.lock import Entry
from edgebuild.build.verify.rebuild import covers, tracked_by_dvc
from edgebuild.errors import UsageError

__all__ = ["Change", "changes"]

#: what DVC calls an output or a dep that is just not there, as in every clean clone
ABSENT = ("deleted", "not in cache")


@dataclass(frozen=True)
class Change:
    """``stage`` would rerun, or was not recorded as it is, for these reasons of its own or ``after`` another stage."""

    stage: str
    reasons: tuple[str, ...]
    after: str = ""


def changes(clone: Clone, stages: Mapping[str, Declaration], lock: Mapping[str, Entry]) -> list[Change]:
    """The stages that ``dvc repro`` would execute, with the reasons, in the order of dvc.yaml.

    Raises:
        UsageError: DVC cannot read the repository.
    """
    status = _status(clone)
    made = {out for stage in stages.values() for out in stage.outs}
    added = tracked_by_dvc(clone)
    reasons: dict[str, list[str]] = {}
    for name, stage in stages.items():
        if name not in lock:
            reasons[name] = ["dvc.lock does not have it"]
        elif found := [
            *_changed(status.get(name, ()), made, added, lock[name]),
            *_files(clone, stage, lock[name]),
        ]:
            reasons[name] = found
    after: dict[str, str] = {}
    for changed in reasons:
        for name in descendants(stages, changed):
            if name not in reasons:
                after.setdefault(name, changed)
    return [
        Change(name, tuple(reasons.get(name, ())), after.get(name, ""))
        for name in stages
        if name in reasons or name in after
    ]


def _status(clone: Clone) -> Mapping[str, Any]:
    done = clone.dvc("status", "--json")
    try:
        found: Mapping[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise UsageError(f"dvc status fails in a clean clone:\n{done.stderr.strip()}") from None
    return found


def _changed(status: Any, made: set[str], added: Mapping[str, str], entry: Entry) -> list[str]:
    """From DVC's list of ``{"changed deps": {path: how}}``, ``"changed command"`` and the like.

    What ``dvc add`` tracks (``added``, path → digest) is not in a clean clone either: its digest is
    compared. A dep that is a part of such a folder has none, and counts as unchanged.
    """
    result = []
    for part in status:
        if isinstance(part, str):
            result.append(part)
            continue
        for kind, paths in part.items():
            if kind == "changed outs":  # their digests are compared here, with better words
                continue
            for path, how in _flat(paths):
                if how in ABSENT and any(covers(path, out) for out in made):
                    continue
                if how in ABSENT and any(covers(path, one) for one in added):
                    if path in added and added[path] != entry.deps.get(path):
                        result.append(f"{path} modified")
                    continue
                result.append(f"{path} {how}")
    return result


def _flat(paths: Any) -> list[tuple[str, str]]:
    """Params are grouped by file: ``{"params.yaml": {"seed": "modified"}}``."""
    return [
        (f"{path}: {key}", str(state)) if key else (path, str(state))
        for path, how in paths.items()
        for key, state in (how.items() if isinstance(how, Mapping) else [("", how)])
    ]


def _files(clone: Clone, stage: Declaration, entry: Entry) -> list[str]:
    result = []
    for path in stage.outs:
        if path not in entry.outs:
            result.append(f"output {path} is not in dvc.lock")
        elif (clone.root / path).exists() and (found := md5(clone.root / path)) != entry.outs[path]:
            result.append(
                f"{path} as committed has the MD5 {found[:8]}, dvc.lock records {entry.outs[path][:8]}"
            )
    return result
