"""Which files of a stage go into MLflow with their bytes, and which by hash only.

DVC keeps the content of every output, so MLflow gets what people open in its UI:
small files of known kinds, and each once. Models belong to the LoggedModels of
builds, plots and the summary to the builds themselves; a stage that was executed again
with equal outputs refers to the run that has them. All outputs are named, with md5, in
``outs.json``; ``dvc`` finds their content by it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgebuild.track.state import LATENCY, SUMMARY
from edgebuild.track.store import safe_key

__all__ = ["ARTIFACT_LIMIT", "gather", "stored_elsewhere", "upload"]

ARTIFACT_LIMIT = 5_000_000  # bytes; larger files are recorded by hash only, DVC has their content
ARTIFACT_SUFFIXES = (".csv", ".html", ".json", ".md", ".png", ".svg", ".tsv", ".txt", ".yaml")


def gather(
    root: Path, files: Mapping[str, str], limit: int, target: Path, elsewhere: str | None = None
) -> None:
    """Copy small ``files`` (path → md5) to ``target`` and list all in ``target/outs.json``, if there are any.

    ``limit`` is the largest size copied, in bytes; ``elsewhere`` the run that holds them already, if one does.
    """
    manifest: dict[str, dict[str, object]] = {}
    for path, md5 in files.items():
        if elsewhere is None:
            manifest[path] = {"md5": md5, **_fetch(root, path, md5, limit, target)}
        else:
            manifest[path] = {"md5": md5, "logged": False, "run": elsewhere}
    if manifest:
        (target / "outs.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))


def _fetch(root: Path, path: str, md5: str, limit: int, target: Path) -> dict[str, object]:
    """Copy a small file with the recorded content below ``target``, from the workspace or DVC's cache.

    Returns its size in bytes, where known, and whether it was copied. Directories are
    recorded by hash only.
    """
    copy = target / safe_key(path)
    for source in (root / path, root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]):
        if md5.endswith(".dir") or not source.is_file():
            continue
        size = source.stat().st_size
        if size > limit or Path(path).suffix not in ARTIFACT_SUFFIXES or _of_a_build(path):
            return {"size": size, "logged": False}
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        if hashlib.md5(copy.read_bytes(), usedforsecurity=False).hexdigest() == md5:
            return {"size": size, "logged": True}
        copy.unlink()  # a later run of the stage has replaced it
    return {"logged": False}


def _of_a_build(path: str) -> bool:
    """Whether the run of the build keeps it (`edgebuild.track.state.BuildState.files`)."""
    return path in (SUMMARY, LATENCY) or (path.startswith("plots/") and path.endswith(".png"))


def stored_elsewhere(client: Any, experiment: str, entry: str | None, run_id: str) -> str | None:
    """Another finished run with the same `entry_key`, the first: equal key, equal outputs."""
    if entry is None:
        return None
    found = client.search_runs(
        [experiment],
        f"tags.`edgebuild.entry` = '{entry}' AND attributes.status = 'FINISHED'",
        order_by=["attributes.start_time ASC"],
    )
    others = [run for run in found if run.info.run_id != run_id and "edgebuild.origin" not in run.data.tags]
    return others[0].info.run_id if others else None


def upload(client: Any, run_id: str, folder: Path, *, again: bool) -> None:
    """Log all files of ``folder``; ``again`` leaves out those that an earlier attempt has stored.

    An upload cut short has another size; the content belongs to the run's record, which never changes.
    """
    if again and any(folder.iterdir()):
        for path, size in _stored(client, run_id, ""):
            file = folder / path
            if file.is_file() and file.stat().st_size == size:
                file.unlink()
    if any(path.is_file() for path in folder.rglob("*")):
        client.log_artifacts(run_id, str(folder))


def _stored(client: Any, run_id: str, folder: str) -> Iterator[tuple[str, int]]:
    for entry in client.list_artifacts(run_id, folder or None):
        if entry.is_dir:
            yield from _stored(client, run_id, entry.path)
        else:
            yield entry.path, entry.file_size
