"""The folder that an .mlpackage is: reading its parts, and writing them canonically.

::

    Manifest.json                            names the parts
    Data/com.apple.CoreML/model.mlmodel      the specification, a protobuf
    Data/com.apple.CoreML/weights/weight.bin the large constants

Canonical means that equal content gives equal bytes: fixed identifiers in the
manifest (coremltools draws random ones), fixed file modes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from edgebuild.errors import DataError

__all__ = ["WEIGHT_URI", "read", "write"]

#: How a program refers to the weight file.
WEIGHT_URI = "@model_path/weights/weight.bin"

_AUTHOR = "com.apple.CoreML"
_WEIGHTS = "weights/weight.bin"
_MODEL_ID = "00000000-0000-4000-8000-000000000001"
_WEIGHTS_ID = "00000000-0000-4000-8000-000000000002"


def read(path: Path) -> tuple[bytes, bytes]:
    """The specification and the weight file of the package (empty where it has none).

    Raises:
        DataError: no package, or the manifest does not lead to a specification.
    """
    try:
        manifest = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
        model = path / "Data" / manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
        specification = model.read_bytes()
        weights = model.parent / _WEIGHTS
        return specification, weights.read_bytes() if weights.exists() else b""
    except (OSError, ValueError, KeyError, TypeError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path} must be a Core ML package with a readable Manifest.json ({detail})"
        ) from None


def write(path: Path, specification: bytes, weights: bytes) -> None:
    """Write a package at ``path``, replacing what is there only once all of it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as staging:
        fresh = Path(staging) / "new"
        root = fresh / "Data" / _AUTHOR
        root.mkdir(parents=True)
        (root / "model.mlmodel").write_bytes(specification)
        if weights:
            (root / "weights").mkdir()
            (root / _WEIGHTS).write_bytes(weights)
        (fresh / "Manifest.json").write_text(_manifest(with_weights=bool(weights)), encoding="utf-8")
        for item in (fresh, *fresh.rglob("*")):
            item.chmod(0o755 if item.is_dir() else 0o644)
        _replace(fresh, path, Path(staging) / "old")


def _replace(fresh: Path, path: Path, aside: Path) -> None:
    """Move ``fresh`` to ``path``; a folder cannot be renamed over a full one, so the old steps aside."""
    if path.exists() or path.is_symlink():
        os.replace(path, aside)
    try:
        os.replace(fresh, path)
    except OSError:
        if aside.exists():
            shutil.move(aside, path)
        raise


def _manifest(*, with_weights: bool) -> str:
    entries = {
        _MODEL_ID: {
            "author": _AUTHOR,
            "description": "CoreML Model Specification",
            "name": "model.mlmodel",
            "path": f"{_AUTHOR}/model.mlmodel",
        }
    }
    if with_weights:
        entries[_WEIGHTS_ID] = {
            "author": _AUTHOR,
            "description": "CoreML Model Weights",
            "name": "weights",
            "path": f"{_AUTHOR}/weights",
        }
    content = {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": _MODEL_ID}
    return json.dumps(content, indent=4, sort_keys=True) + "\n"
