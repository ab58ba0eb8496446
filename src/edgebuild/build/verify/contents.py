"""What an artifact holds, in one shape for all kinds: named values and named tensors, in the file's order.

A kind is told by the ending of its name. What a reader leaves out is what can
differ with the content the same; `edgebuild.build.verify.packing` names that.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.build.verify import models, tflite
from edgebuild.build.verify.protobuf import Pairs

__all__ = ["PIXELS", "READERS", "Array", "Contents"]

Array = npt.NDArray[Any]

#: the tensor of a picture: rows, columns and, where there are any, channels
PIXELS = "pixels"


@dataclass
class Contents:
    """``values`` are numbers, texts and the like by the path of their key, ``tensors`` numeric arrays by name."""

    values: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Array] = field(default_factory=dict)

    def add(self, key: str, value: object) -> None:
        """Add ``value``, possibly a nested document, under ``key``.

        An entry of a list that has an ``id`` or a ``name`` is called so besides its number.
        """
        if isinstance(value, Mapping) and value:
            for name, item in value.items():
                # Quoted where it could be taken for a path.
                part = str(name) if name and not set(str(name)) & set(".[]\"'") else repr(name)
                self.add(f"{key}.{part}" if key else part, item)
        elif isinstance(value, list | tuple) and value:
            for index, item in enumerate(value):
                title = (
                    next((item[word] for word in ("id", "name") if word in item), "") if _is_map(item) else ""
                )
                self.add(f"{key}[{index} {title}]" if title else f"{key}[{index}]", item)
        elif isinstance(value, np.ndarray):
            self.add_tensor(key, value)
        else:
            self.values[self._free(key or "the document")] = value

    def add_tensor(self, key: str, tensor: Array) -> None:
        """Add an array; texts and the like become values."""
        if tensor.dtype.kind in "OSU":
            self.add(key, tensor.tolist())
        else:
            self.tensors[self._free(key)] = tensor

    def _free(self, key: str) -> str:
        """``key``, marked where there is one already: columns of a table may share a name."""
        while key in self.values or key in self.tensors:
            key += "'"
        return key


def _is_map(item: object) -> bool:
    return isinstance(item, Mapping)


def _json(path: Path) -> Contents:
    contents = Contents()
    contents.add("", json.loads(path.read_text(encoding="utf-8")))
    return contents


def _csv(path: Path) -> Contents:
    """Rows are counted from 1 without the header."""
    contents = Contents()
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        contents.add("header", header)
        for number, row in enumerate(rows, start=1):
            for column, text in enumerate(row):
                name = header[column] if column < len(header) else f"column {column + 1}"
                contents.add(f"row {number}, {name}", _number(text))
    return contents


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _npy(path: Path) -> Contents:
    contents = Contents()
    with path.open("rb") as file:
        contents.add_tensor("array", np.lib.format.read_array(file, allow_pickle=False))
    return contents


def _npz(path: Path) -> Contents:
    contents = Contents()
    # Opened here: of a damaged archive np.load would leave its own file open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        contents.add("arrays", list(archive.files))
        for name in archive.files:
            contents.add_tensor(name, archive[name])
    return contents


def _png(path: Path) -> Contents:
    """Pixels, with a palette's colours for their numbers, and the texts and resolution beside them."""
    from PIL import Image

    contents = Contents()
    with Image.open(path) as image:
        contents.add("size", f"{image.width} x {image.height} {image.mode}")
        contents.add("metadata", {str(key): str(value) for key, value in image.info.items()})
        contents.add_tensor(PIXELS, np.asarray(image.convert("RGBA") if image.mode == "P" else image))
    return contents


def _of(pairs: Callable[[Path], Pairs]) -> Callable[[Path], Contents]:
    def read(path: Path) -> Contents:
        contents = Contents()
        for key, value in pairs(path):
            contents.add(key, value)
        return contents

    return read


#: The readers by ending. They raise whatever the library of their kind raises for a damaged file.
READERS: Mapping[str, Callable[[Path], Contents]] = {
    ".json": _json,
    ".csv": _csv,
    ".npy": _npy,
    ".npz": _npz,
    ".png": _png,
    ".safetensors": _of(models.safetensors),
    ".keras": _of(models.keras),
    ".onnx": _of(models.onnx),
    ".tflite": _of(tflite.tflite),
    ".mlpackage": _of(models.mlpackage),
}
