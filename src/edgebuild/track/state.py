"""The build that lies in the repository now, if it is a whole one: what `publish_build` publishes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.track import lock
from edgebuild.track.lock import Entry

__all__ = ["BuildState", "read_state"]

SUMMARY, LATENCY = "metrics/summary.json", "metrics/latency.json"
REQUIRED = ("dvc.yaml", "dvc.lock", "params.yaml", SUMMARY, LATENCY)
OPTIONAL = ("metrics/data.json",)


@dataclass(frozen=True)
class BuildState:
    """A finished build.

    Attributes:
        key: of the state, see `lock.build_key`.
        lock_digest: SHA-256 of the file dvc.lock.
        entries: the dvc.lock entry of every stage of dvc.yaml.
        params: params.yaml, flat.
        dataset: as summary.json describes it.
        reference: id of the variant that accuracies are compared with.
        variants: entries of summary.json.
        latency: entries of latency.json by variant id.
        files: what a build's run keeps as artifacts, relative to the root.
    """

    key: str
    lock_digest: str
    entries: Mapping[str, Entry]
    params: Mapping[str, object]
    dataset: Mapping[str, Any]
    reference: str
    variants: Sequence[Mapping[str, Any]]
    latency: Mapping[str, Mapping[str, Any]]
    files: Sequence[str]


def read_state(root: Path) -> BuildState | str:
    """The finished build in ``root``, or one line on what is missing and the way out.

    Entries of stages that dvc.yaml no longer has are ignored (DVC leaves them in dvc.lock).
    """
    for path in REQUIRED:
        if not (root / path).is_file():
            return f"a build is published when it is whole, and there is no {path}: run `dvc repro`"
    stages = lock.read_yaml(root / "dvc.lock").get("stages") or {}
    names = sorted(lock.declared_stages(root))
    missing = [name for name in names if name not in stages]
    if missing:
        return f"a build is published when it is whole, and dvc.lock has no {', '.join(missing)}: run `dvc repro`"
    built = {name: stages[name] for name in names}
    entries = lock.read_lock(built)
    params = lock.flatten(lock.read_yaml(root / "params.yaml"))
    problem = lock.inconsistency(entries, params)
    if problem:
        return f"{problem}: run `dvc repro`"
    for path in (SUMMARY, LATENCY):
        recorded = next((entry.outs[path] for entry in entries.values() if path in entry.outs), None)
        present = hashlib.md5((root / path).read_bytes(), usedforsecurity=False).hexdigest()
        if recorded not in (None, present):
            return f"{path} is not the one that dvc.lock records: run `dvc checkout` or `dvc repro`"
    summary = json.loads((root / SUMMARY).read_text())
    latency = json.loads((root / LATENCY).read_text())
    plots = sorted(path.relative_to(root).as_posix() for path in (root / "plots").rglob("*.png"))
    return BuildState(
        key=lock.build_key(built),
        lock_digest=hashlib.sha256((root / "dvc.lock").read_bytes()).hexdigest(),
        entries=entries,
        params=params,
        dataset=summary["dataset"],
        reference=summary["reference"],
        variants=summary["variants"],
        latency={variant["id"]: variant for variant in latency["variants"]},
        files=[*REQUIRED, *(path for path in OPTIONAL if (root / path).is_file()), *plots],
    )
