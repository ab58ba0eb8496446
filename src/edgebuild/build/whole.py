"""The front door: refuse bad input before anything starts, then `dvc repro`, then show the result."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from edgebuild import console
from edgebuild.build import failed, intact, named, own_code
from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.digest import md5
from edgebuild.build.environment import record as environment
from edgebuild.build.exclusive import build_lock, dvc_at_work
from edgebuild.build.foreground import run
from edgebuild.build.guard import keep_lock, mend_lock
from edgebuild.build.writable import check_room
from edgebuild.errors import Finding, UsageError
from edgebuild.params import read

__all__ = ["build", "orphans"]

ATTEMPTS = 3


def build(root: Path, environ: Mapping[str, str], *, pull: bool = False) -> int:
    """Build what changed under ``root``, with what the DVC remote has where ``pull``; returns the exit status.

    Raises:
        UsageError: params.yaml or dvc.yaml is refused, this is no DVC repository, or the disk is full.
    """
    params = read(root / "params.yaml")
    stages = declarations(root)
    values = named.values_of(root)
    named.check(stages.values(), values)
    own_code.check(root, values)
    if not (root / ".dvc").is_dir():
        raise UsageError(f"{root} is no DVC repository; run `dvc init` (or `dvc init --no-scm` without git)")
    check_room(root)
    with build_lock(root):
        if line := mend_lock(root):
            console.warn(line)
        _clear_orphans(root, stages)
        if (status := _repro(root, stages, environ, pull)) != 0:
            return status
        keep_lock(root)
        if problem := environment.refresh(root):
            console.warn(problem)
    from edgebuild.json_file import read_json
    from edgebuild.measure import table
    from edgebuild.track.store import tracking_uri
    from edgebuild.track.sync import track

    results = (read_json(root / "metrics" / name) for name in ("summary.json", "latency.json"))
    table.show(table.table(*results))
    for line in track(root, tracking_uri(root, environ), params.project).lines():
        console.say(line)
    return 0


def _repro(root: Path, stages: Mapping[str, Declaration], environ: Mapping[str, str], pull: bool) -> int:
    """`dvc repro` until it needs no output that came from a damaged cache; returns the exit status.

    DVC may restore such an output from an earlier build in the midst of this one.
    """
    # Stages are started by name; they must find the edgebuild that is running.
    path = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    lines = intact.mend(root, stages)
    for _ in range(ATTEMPTS):
        for line in lines:
            console.warn(line)
        failed.take(root)
        command = [sys.executable, "-m", "edgebuild.build.dvc_repro", *(["--pull"] if pull else [])]
        status = run(command, root, {**environ, "PATH": path})
        failure = failed.take(root)
        if status != 0:
            dvc_at_work(root)  # removes what a DVC that found no room has left of its locks
        lines = intact.mend(root, stages) if status == 0 else []
        if not lines and not (status > 0 and failure and failure.again):
            if status > 0:
                return failure.status if failure else 1
            return 128 - status if status < 0 else 0
    raise Finding(f"DVC's cache is damaged again after {ATTEMPTS} builds; is the disk of .dvc/cache sound?")


def _clear_orphans(root: Path, stages: Mapping[str, Declaration]) -> None:
    for path in orphans(root, stages):
        if not _is_cached(root, path):
            console.warn(f"{path} is made by no stage, nor is it in DVC's cache; it stays: move it elsewhere")
            continue
        console.warn(f"{path} is made by no stage any more and is removed (DVC's cache keeps it)")
        shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()


def orphans(root: Path, stages: Mapping[str, Declaration]) -> list[str]:
    """Files left in an output folder by stages that are gone.

    A stage may depend on a folder that many stages write to (the report reads
    whatever was measured). DVC does not delete the output of a stage that was
    removed, so it would go on being part of that folder's digest.
    """
    outs = {out for stage in stages.values() for out in stage.outs}
    folders = {
        dep
        for stage in stages.values()
        for dep in stage.deps
        if any(out.startswith(f"{dep}/") for out in outs)
    }
    return sorted(
        path
        for folder in folders
        for entry in (root / folder).glob("*")
        if entry.name != ".gitignore"
        and (path := entry.relative_to(root).as_posix()) not in outs
        and not any(out.startswith(f"{path}/") for out in outs)
    )


def _is_cached(root: Path, path: str) -> bool:
    """Whether the repository's own DVC cache holds ``path`` as it is, so that removing it loses nothing."""
    digest = md5(root / path)
    return (intact.cache(root) / "files" / "md5" / digest[:2] / digest[2:]).is_file()
