"""The front door: refuse bad input before anything starts, then `dvc repro`, then show the result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from edgebuild import console
from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.digest import md5
from edgebuild.errors import UsageError
from edgebuild.params import read

__all__ = ["build", "orphans"]


def build(root: Path, environ: Mapping[str, str]) -> int:
    """Build what changed under ``root``; returns the exit status.

    Raises:
        UsageError: params.yaml or dvc.yaml is refused, or this is no DVC repository.
    """
    params = read(root / "params.yaml")
    stages = declarations(root)
    if not (root / ".dvc").is_dir():
        raise UsageError(f"{root} is no DVC repository; run `dvc init` (or `dvc init --no-scm` without git)")
    for path in orphans(root, stages):
        if not _is_cached(root, path):
            console.warn(f"{path} is made by no stage, nor is it in DVC's cache; it stays: move it elsewhere")
            continue
        console.warn(f"{path} is made by no stage any more and is removed (DVC's cache keeps it)")
        shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()
    # Stages are started by name; they must find the edgebuild that is running.
    path = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    command = [sys.executable, "-m", "dvc", "repro"]
    if (status := subprocess.run(command, cwd=root, env={**environ, "PATH": path}).returncode) != 0:
        return 1 if status > 0 else 128 - status
    from edgebuild.json_file import read_json
    from edgebuild.measure import table
    from edgebuild.track.store import tracking_uri
    from edgebuild.track.sync import track

    results = (read_json(root / "metrics" / name) for name in ("summary.json", "latency.json"))
    table.show(table.table(*results))
    for line in track(root, tracking_uri(root, environ), params.project).lines():
        console.say(line)
    return 0


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
    return (root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).is_file()
