"""Which files of a stage go into MLflow with their bytes, and which by hash only.

DVC keeps the content of every output, so MLflow gets what people open in its UI:
small files of known kinds. Directories and everything larger are named, with md5,
in ``outs.json``; ``dvc`` finds their content by it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from edgebuild.track.store import safe_key

__all__ = ["ARTIFACT_LIMIT", "gather"]

ARTIFACT_LIMIT = 5_000_000  # bytes; larger files are recorded by hash only, DVC has their content
ARTIFACT_SUFFIXES = (
    ".csv",
    ".html",
    ".json",
    ".keras",
    ".md",
    ".onnx",
    ".png",
    ".svg",
    ".tflite",
    ".tsv",
    ".txt",
    ".yaml",
)


def gather(root: Path, files: Mapping[str, str], limit: int, target: Path) -> None:
    """Copy small ``files`` (path → md5) to ``target`` and list all in ``target/outs.json``, if there are any.

    ``limit`` is the largest size copied, in bytes.
    """
    manifest = {path: {"md5": md5, **_fetch(root, path, md5, limit, target)} for path, md5 in files.items()}
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
        if size > limit or Path(path).suffix not in ARTIFACT_SUFFIXES:
            return {"size": size, "logged": False}
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        if hashlib.md5(copy.read_bytes(), usedforsecurity=False).hexdigest() == md5:
            return {"size": size, "logged": True}
        copy.unlink()  # a later run of the stage has replaced it
    return {"logged": False}
