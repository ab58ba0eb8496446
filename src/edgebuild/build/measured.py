"""What the build in a folder, or that of another revision, measured: for `edgebuild.gates`.

Only that counts which dvc.lock records: a result that somebody changed, or that is left of
another build, is refused. Files are taken from the workspace or from DVC's cache.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.build.environment import record
from edgebuild.build.environment.record import Made
from edgebuild.build.hashes import cached_md5
from edgebuild.build.intact import cache
from edgebuild.build.recorded import recorded
from edgebuild.build.stale import stale
from edgebuild.errors import Finding
from edgebuild.gates import revision
from edgebuild.gates.results import Results, assemble
from edgebuild.json_file import read_json
from edgebuild.strict import read_yaml

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["measured", "measured_then"]

RESULTS = ("metrics/summary.json", "metrics/latency.json")
BUILD = "build first: edgebuild run"

#: Stage → path → MD5, as dvc.lock records a build's outputs.
Lock = Mapping[str, Mapping[str, str]]


def measured(root: Path, task: Task, wanted: Sequence[str]) -> Results:
    """The build in the folder ``root``, which must have the variants ``wanted``.

    Raises:
        Finding: there is none, it is not the one that dvc.lock records, or that is not the one
            that dvc.yaml and params.yaml describe now.
    """
    lock = recorded(root)
    digests = _digests(lock)
    for path in RESULTS:
        if not (root / path).is_file():
            raise Finding(f"{path} is required, but it is not there; {BUILD}")
    if reasons := stale(root):
        name, why = next(iter(reasons.items()))
        more = f" (and {len(reasons) - 1} more stages)" if len(reasons) > 1 else ""
        raise Finding(f"the results are of another build: stage {name}: {why}{more}; {BUILD}")
    for path in RESULTS:
        if digests.get(path) != cached_md5(root, root / path):
            raise Finding(f"{path} must be what dvc.lock records, but it is not; {BUILD}")
    summary, latency = (read_json(root / path) for path in RESULTS)
    if (kind := summary.get("task", task.kind)) != task.kind:
        raise Finding(f"params.yaml asks for the task {task.kind}, but the results are of {kind}; {BUILD}")
    built = {entry["id"] for entry in summary["variants"]}
    if missing := [name for name in wanted if name not in built]:
        raise Finding(
            f"params.yaml asks for {', '.join(missing)}, but the results have no such variant; {BUILD}"
        )

    def find(path: str) -> Path | None:
        file = root / path
        good = file.is_file() and digests.get(path) == cached_md5(root, file)
        return file if good else _cached(root, digests)(path)

    return assemble(summary, latency, task, find, _machines(lock, record.read(root)))


def measured_then(root: Path, name: str, task: Task) -> Results:
    """The build that the git revision ``name`` of ``root`` committed.

    Raises:
        UsageError: there is no such revision, or it has no results.
    """
    other = revision.read(root, name)
    with tempfile.TemporaryDirectory() as folder:
        for file, text in (("dvc.lock", other.lock), ("params.yaml", other.params)):
            (Path(folder) / file).write_text(text, encoding="utf-8")
        lock = recorded(Path(folder))
        comparable = _task(Path(folder)) == _task(root)
    made = record.parse(other.environment) if other.environment else {}
    find = _cached(root, _digests(lock)) if comparable else _nothing
    results = assemble(other.summary, other.latency, task, find, _machines(lock, made))
    return replace(results, comparable=comparable)


def _task(root: Path) -> object:
    """Section ``task`` of ``root``/params.yaml as it is written; earlier versions knew but one."""
    params = read_yaml(root / "params.yaml")
    return params.get("task", {"kind": "classification"}) if isinstance(params, Mapping) else None


def _nothing(path: str) -> None:
    """Finds no file."""


def _digests(lock: Lock) -> dict[str, str]:
    return {path: digest for outs in lock.values() for path, digest in outs.items()}


def _cached(root: Path, digests: Mapping[str, str]) -> Callable[[str], Path | None]:
    """What finds an output in DVC's cache, or None: a damaged object counts as none."""
    objects = cache(root) / "files" / "md5"

    def find(path: str) -> Path | None:
        digest = digests.get(path)
        file = objects / digest[:2] / digest[2:] if digest else None
        return file if file is not None and file.is_file() and cached_md5(root, file) == digest else None

    return find


def _machines(lock: Lock, made: Mapping[str, Made]) -> dict[str, str]:
    """The kind of machine that timed each variant, where environment.lock knows it."""
    return {
        stage.partition("@")[2]: entry.environment.cpu
        for stage, entry in made.items()
        if stage.startswith("benchmark") and stage in lock and entry.is_of(lock[stage])
    }
