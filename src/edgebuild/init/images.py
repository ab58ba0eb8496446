"""The size that images of a folder are brought to: the teacher's, or else their median, capped."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebuild.errors import UsageError

__all__ = ["CAP", "ENDINGS", "Size", "size"]

ENDINGS = (".png", ".jpg", ".jpeg")
#: Pixels of the longer side; more costs minutes an epoch without a GPU, and few small networks gain by it.
CAP = 96
#: Files that are looked at, evenly spread.
SAMPLE = 200
#: Above this a side is a multiple of EVEN, so that halving it leaves no rest.
EVEN = 8
#: Pillow's modes of images without colour.
GREY = ("1", "L", "LA", "I", "I;16", "F")


@dataclass(frozen=True)
class Size:
    """Height, width and channels, and why."""

    shape: tuple[int, int, int]
    why: str


def size(files: Sequence[Path], wanted: tuple[int, int, int] | None) -> Size:
    """The shape that ``files`` are brought to; ``wanted`` is that of the teacher's input, if there is one.

    Raises:
        UsageError: none of them can be opened as an image.
    """
    if wanted is not None:
        return Size(wanted, "what the teacher takes")
    from PIL import Image, UnidentifiedImageError

    sizes: list[tuple[int, int]] = []
    colours = 0
    step = max(len(files) // SAMPLE, 1)
    for file in files[::step]:
        try:
            with Image.open(file) as image:
                sizes.append((image.height, image.width))
                colours += image.mode not in GREY
        except (UnidentifiedImageError, OSError, ValueError):
            continue  # preparing the data names all that are damaged
    if not sizes:
        raise UsageError(
            f"none of {len(files[::step])} files that end like images, {files[0]} for one, can be opened as one"
        )
    height, width = (round(statistics.median(side)) for side in zip(*sizes, strict=True))
    scale = min(CAP / max(height, width), 1.0)
    shape = (_even(height * scale), _even(width * scale), 3 if colours else 1)
    median = f"median of {len(sizes)} images looked at: {height}×{width}"
    return Size(shape, f"{median}, capped at {CAP} pixels" if scale < 1.0 else median)


def _even(side: float) -> int:
    whole = max(round(side), 1)
    return whole // EVEN * EVEN if whole >= 2 * EVEN else whole
