"""How two files that hold the same differ all the same: dates, orders, layouts."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edgebuild.build.verify import raw

__all__ = ["packing"]

#: What a zip archive says of a member, in `zipfile`'s names, in words.
ZIP = {
    "date_time": "date",
    "compress_type": "compression",
    "external_attr": "file mode",
    "create_system": "system that made it",
    "extra": "extra field",
    "comment": "comment",
}
#: What is free in the other kinds of files, for the same content.
FREE = {
    ".csv": "line ends, quotes or the way numbers are written",
    ".npy": "the array's order in memory, or the header's padding",
    ".png": "compression, filters or the order of chunks",
    ".safetensors": "the order of tensors or metadata in the header, or its padding",
    ".onnx": "how protobuf packs the fields (typed or raw data, the order of fields)",
    ".tflite": "the layout of the flatbuffer (the order of its tables, shared buffers, padding)",
}


def packing(name: str, committed: Path, rebuilt: Path) -> str:
    """What differs in two unequal files or packages whose contents are equal, and where it begins."""
    if committed.is_dir():
        return _package(committed, rebuilt)
    suffix = Path(name).suffix
    old, new = committed.read_bytes(), rebuilt.read_bytes()
    if suffix == ".json":
        free = _json(old, new)
    elif suffix in (".npz", ".keras") and (found := next(_zip(old, new), None)) is not None:
        free = found
    else:
        free = FREE.get(suffix, "its layout")
    return f"{free}; {raw.place(committed, rebuilt)}"


def _json(old: bytes, new: bytes) -> str:
    ordered = [json.loads(text, object_pairs_hook=list) for text in (old, new)]
    return (
        "the order of keys"
        if repr(ordered[0]) != repr(ordered[1])
        else "spacing, escapes or how numbers are written"
    )


def _zip(old: bytes, new: bytes) -> Iterator[str]:
    """The differences between two zip archives whose members hold the same."""
    with zipfile.ZipFile(io.BytesIO(old)) as before, zipfile.ZipFile(io.BytesIO(new)) as after:
        names = before.namelist()
        if names != after.namelist():
            yield f"zip members in another order ({', '.join(names)} → {', '.join(after.namelist())})"
            return
        for name in names:
            a, b = before.getinfo(name), after.getinfo(name)
            for field, word in ZIP.items():
                if (x := getattr(a, field)) != (y := getattr(b, field)):
                    yield f"zip {word} of {name}: {x} → {y}"
            if (x := before.read(name)) != (y := after.read(name)):
                kind = _json(x, y) if name.endswith(".json") else "the layout of its header or of HDF5"
                yield f"{kind} in {name}"


def _package(committed: Path, rebuilt: Path) -> str:
    """Of a Core ML package: which file, and what it may be there."""
    free = {
        "Manifest.json": "the order of keys or spacing",
        "model.mlmodel": "the order of map entries in protobuf, or where weights lie",
        "weight.bin": "where weights lie, or padding",
    }
    files = sorted(path.relative_to(committed) for path in committed.rglob("*") if path.is_file())
    file = next(file for file in files if raw.first(committed / file, rebuilt / file) is not None)
    what = free.get(file.name, "a file that is no part of the model")
    return f"{what} in {file.as_posix()}; {raw.place(committed / file, rebuilt / file)}"
