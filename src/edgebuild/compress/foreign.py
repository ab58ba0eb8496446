"""What a .keras file needs that it does not hold: code of classes that are not Keras' own."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgebuild.errors import DataError

__all__ = ["foreign"]


def foreign(path: Path) -> Iterator[str]:
    """Why Keras cannot load the file without code of the user's, a line for each class; weights are not read.

    Raises:
        DataError: it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise DataError(
            f"{path} is no .keras file as Keras 3 writes it: {error}; save the model with model.save"
        ) from None
    waiting = [config]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, list):
            waiting += reversed(entry)
        elif isinstance(entry, dict):
            yield from _class(entry)
            waiting += [entry[key] for key in ("config", "layers", "layer") if key in entry]


def _class(entry: dict[str, Any]) -> Iterator[str]:
    kind, module = entry.get("class_name"), entry.get("module")
    if not isinstance(kind, str) or not isinstance(entry.get("config"), dict):
        return
    name = entry["config"].get("name", kind)
    if kind == "Lambda":
        yield f"layer {name!r} is a Lambda, whose code Keras does not run from a file; use layers that do the same"
    elif not str(module or "").startswith("keras"):
        yield (
            f"{name!r} is of the class {entry.get('registered_name') or kind}, which is none of Keras' own, and a "
            f"file does not hold its code"
        )
