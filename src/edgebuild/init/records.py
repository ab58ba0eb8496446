"""TFRecord files: which features hold the image and its label, read off the first example."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.errors import DataError, UsageError
from edgebuild.init.choice import Choice
from edgebuild.init.images import CAP

if TYPE_CHECKING:
    from edgebuild.init.data import Data

__all__ = ["look"]

MAGIC = (b"\x89PNG", b"\xff\xd8\xff")
#: How features that hold labels are called, or end.
LABELS = ("label", "class", "target", "labels")
#: Bytes of a record beside its content: its length with a checksum, and a checksum (TensorFlow's record_writer.h).
HEAD, TAIL = 12, 4


def look(given: str, files: Sequence[Path], shape: tuple[int, int, int] | None, task: str | None) -> Data:
    """The source that reads ``files``; ``shape`` is the teacher's, if there is one.

    Raises:
        UsageError: they are damaged, or no feature is an image or a label.
    """
    from PIL import Image

    from edgebuild.init.data import Data
    from edgebuild.sources.records import examples

    try:
        first = next(iter(examples(files[0])))
    except (DataError, StopIteration) as error:
        raise UsageError(
            f"--data {given}: {files[0].name} cannot be read: {error or 'it is empty'}"
        ) from None
    image = next((name for name, values in first.items() if _is_image(values)), "")
    label = next((name for name in first if name.rpartition("/")[2].lower() in LABELS), "")
    if not image or not label:
        raise UsageError(
            f"--data {given}: the examples have the features {', '.join(first)}; a PNG or JPEG file in one and label "
            f"as the name of another are what init finds by itself; docs/data.md has the others"
        )
    with Image.open(io.BytesIO(bytes(first[image][0]))) as picture:
        scale = min(CAP / max(picture.size), 1.0)
        own = (round(picture.height * scale), round(picture.width * scale), 1 if picture.mode == "L" else 3)
    height, width, channels = shape or own
    count = sum(_count(file) for file in files)
    return Data(
        "tfrecord",
        given,
        count,
        (),
        (height, width, channels),
        {
            "image": {"height": height, "width": width, "channels": channels, "fit": "crop"},
            "tfrecord": {"image": image, "label": label, "classes": "", "group": ""},
        },
        task=task or "classification",
        choices=(
            Choice(
                "data", f"{count:,} examples in {len(files)} TFRecord file(s)", f"features {image}, {label}"
            ),
            Choice(
                "image size",
                f"{height}×{width}×{channels}",
                "what the teacher takes" if shape else "of the first",
            ),
        ),
    )


def _is_image(values: object) -> bool:
    return isinstance(values, tuple) and len(values) == 1 and bytes(values[0]).startswith(MAGIC)


def _count(path: Path) -> int:
    """The records of a file that is not compressed, by their lengths."""
    count, at, size = 0, 0, path.stat().st_size
    with path.open("rb") as file:
        while at + HEAD <= size:
            file.seek(at)
            (length,) = struct.unpack("<Q", file.read(8))
            at += HEAD + length + TAIL
            count += at <= size
    return count
