"""Which stages are not what dvc.lock records: what a look at results has to know before it believes them.

From digests alone, in a fraction of a second and without DVC: a stage is
current where dvc.lock has its command, its params as params.yaml has them now,
and its deps as they are. What another stage makes is compared with what
dvc.lock records of that one, so that no output has to be in the workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.hashes import cached_md5
from edgebuild.build.values import at
from edgebuild.build.verify.lock import Entry, entries
from edgebuild.strict import read_yaml

__all__ = ["stale"]


def stale(root: Path) -> dict[str, str]:
    """Stage → why it is out of date, in the order of dvc.yaml; those that only follow such a stage are not named.

    Raises:
        UsageError: dvc.yaml, params.yaml or dvc.lock cannot be understood.
    """
    stages, values = declarations(root), read_yaml(root / "params.yaml")
    lock = root / "dvc.lock"
    known = entries(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    recorded = {path: digest for entry in known.values() for path, digest in entry.outs.items()}
    made = {path for stage in stages.values() for path in stage.outs}
    found = {}
    for name, stage in stages.items():
        why = _why(root, stage, known.get(name), values, recorded, made)
        if why:
            found[name] = why
    return found


def _why(
    root: Path,
    stage: Declaration,
    entry: Entry | None,
    values: object,
    recorded: Mapping[str, str],
    made: set[str],
) -> str:
    if entry is None:
        return "dvc.lock does not have it"
    if entry.cmd != stage.cmd:
        return f"its command is {stage.cmd}, dvc.lock has {entry.cmd}"
    before = entry.params.get("params.yaml", {})
    for key in stage.params:
        if key not in before or before[key] != at(values, key):
            return f"{key} of params.yaml changed"
    for path in stage.deps:
        if entry.deps.get(path) != _digest(root, path, recorded, made, entry.deps.get(path)):
            return f"{path} changed"
    missing = next((path for path in stage.outs if path not in entry.outs), None)
    return f"dvc.lock does not have {missing}" if missing else ""


def _digest(
    root: Path, path: str, recorded: Mapping[str, str], made: set[str], before: str | None
) -> str | None:
    """The digest that a dep has now; ``before`` where that cannot be told without what was made of it."""
    if path in recorded and path in made:
        return recorded[path]
    if any(out.startswith(f"{path}/") for out in made):
        return before  # a folder of outputs: they are compared where they are made
    file = root / path
    return cached_md5(root, file) if file.exists() else before
