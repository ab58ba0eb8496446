"""A small repository that DVC has built, with stages that are shell commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DVC_YAML = """\
stages:
  train:
    cmd: tr a-z A-Z < input > model && wc -c < input > metric
    deps: [input]
    outs: [model]
    metrics: [metric: {cache: false}]
  package:
    cmd: rm -rf folder && mkdir -p folder/deep && cp model folder/a && echo deep > folder/deep/b
    deps: [model]
    outs: [folder]
  pack:
    cmd: cat folder/a folder/deep/b > all
    deps: [folder]
    outs: [all]
"""


def dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run DVC in ``root``; it may fail."""
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)


def make(root: Path) -> None:
    """Build it; three stages, one of them with a folder."""
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("{}\n")
    (root / "input").write_text("weights")
    for arguments in (["init", "--no-scm", "--quiet"], ["repro"]):
        done = dvc(root, *arguments)
        assert done.returncode == 0, done.stderr


def cached(root: Path, digest: str) -> Path:
    """The object of DVC's cache."""
    return root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


def damage(path: Path, data: bytes) -> None:
    """Change a read-only object as a failing disk would."""
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)
