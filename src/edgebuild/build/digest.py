"""Digests as DVC computes them, so that a stage's outputs can be tied to dvc.lock.

A file's is the MD5 of its bytes. A directory's is the MD5 of a JSON list of its
files' digests and relative paths, sorted by path, followed by ``.dir``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

__all__ = ["md5"]


def md5(path: Path) -> str:
    """The digest of a file or directory."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    files = sorted(
        (
            {"md5": md5(file), "relpath": file.relative_to(path).as_posix()}
            for file in path.rglob("*")
            if file.is_file()
        ),
        key=lambda entry: entry["relpath"],
    )
    return hashlib.md5(json.dumps(files, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
