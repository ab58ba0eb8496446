"""The git revision that a stage or a build belongs to."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["revision"]

GENERATED = ("dvc.lock", "environment.lock", "metrics", "plots")
#: A git that does not answer (a stalled network disk) holds a stage up no longer than this, twice.
TIMEOUT_S = 2.0


def revision(root: Path, generated: Sequence[str] = GENERATED) -> str:
    """``<40 hex digits>``, with ``-dirty`` when tracked files differ from it; "" outside git.

    ``generated`` are tracked paths that a build itself rewrites: they do not make it
    dirty, or every build but an unchanged one would be. Two git processes, about 10 ms.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return ""
    excluded = [f":(exclude){path}" for path in generated]
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *excluded)
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    # Without optional locks: a status must not fight with the user's own git over the index.
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return shown.stdout.strip() if shown.returncode == 0 else ""
