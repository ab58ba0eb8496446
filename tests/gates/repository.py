"""A repository whose build is finished and committed: metrics, predictions and dvc.lock, without models."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.build.digest import md5
from edgebuild.params import read
from tests.gates.builds import EXAMPLES, TEACHER, answered, build, time

__all__ = ["INT8", "commit", "lock", "write"]

ROOT = Path(__file__).parents[2]
INT8 = "pruned-litert-int8"


def write(root: Path, *, wrong: int = 4, size: int = 7000) -> None:
    """Write a finished build into ``root``; the int8 file for LiteRT gets ``wrong`` examples wrong."""
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    answers: dict[str, npt.NDArray[np.float32]] = {}
    times, entries = {}, {}
    for name in read(root / "params.yaml").ids:
        answers[name] = answered(range(wrong if name == INT8 else 4))
        slow = 40.0 if name.startswith("teacher") else 4.0
        if "coreml" not in name:
            times[name] = time(slow)
        entries[name] = {"size_bytes": size, "gzip_bytes": 5000}
    results = build({TEACHER: answers[TEACHER], **answers}, times=times, entries=entries)
    for folder in ("metrics/predictions", "data"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    _json(root / "metrics/summary.json", results.summary)
    _json(root / "metrics/latency.json", results.latency)
    for name, found in answers.items():
        np.save(root / f"metrics/predictions/{name}.npy", found)
    images = np.zeros((EXAMPLES, 1, 1, 1), np.uint8)
    np.savez(root / "data/test.npz", images=images, labels=results.labels, scale=1.0, classes=list("abcd"))
    (root / "dvc.yaml").write_text("stages:\n  report: {cmd: edgebuild run report}\n")
    (root / ".gitignore").write_text("/metrics/predictions/\n/data/\n/.dvc/cache/\n/.edgebuild/\n")
    lock(root)


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def lock(root: Path) -> None:
    """Write dvc.lock in the layout that DVC gives it, and copy what it records into DVC's cache."""
    lines = ["schema: '2.0'", "stages:", "  report:", "    cmd: edgebuild run report", "    outs:"]
    for path in sorted([*(root / "metrics").rglob("*.*"), root / "data/test.npz"]):
        digest = md5(path)
        lines += [
            f"    - path: {path.relative_to(root).as_posix()}",
            "      hash: md5",
            f"      md5: {digest}",
        ]
        cached = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
        cached.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, cached)
    (root / "dvc.lock").write_text("\n".join(lines) + "\n", encoding="utf-8")


def commit(root: Path) -> None:
    """Commit everything that git does not ignore."""
    if not (root / ".git").exists():
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, "commit", "--quiet", "-m", "build"], cwd=root, check=True)
