"""What a source of images hands over, checked, and the protocol of the modules that do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgebuild.data.check import Part, check
from edgebuild.errors import DataError

__all__ = ["Load", "Source", "source"]


@dataclass(frozen=True)
class Source:
    """A data set as its authors publish it, checked.

    ``images`` is uint8 ``(n, height, width, channels)``, ``labels`` int64
    ``(n,)``; ``real = images * scale`` lies in [0, 1]. ``test`` is the
    authors' own test part, where they fixed one.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    scale: float
    classes: tuple[str, ...]
    test: Part | None = None


class Load(Protocol):
    """What the module of a source offers."""

    def __call__(self, folder: Path | None, download: bool) -> Source:
        """Load the whole source.

        Args:
            folder: where the files lie; None lets the source decide.
            download: whether the source may fetch its files.

        Raises:
            DataError: the files are missing, damaged, or no labelled images.
        """


def source(
    images: npt.NDArray[np.generic],
    labels: npt.NDArray[np.generic],
    *,
    scale: float,
    classes: tuple[str, ...],
    where: str,
    test: tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]] | None = None,
) -> Source:
    """A :class:`Source` of raw arrays, each part passed through :func:`~edgebuild.data.check.check`.

    Raises:
        DataError: as ``check``; or the test part's images differ in shape.
    """
    part = check(images, labels, scale=scale, classes=classes, where=where)
    if test is None:
        return Source(part.images, part.labels, scale, classes)
    official = check(*test, scale=scale, classes=classes, where=f"{where}, test part")
    if official.images.shape[1:] != part.images.shape[1:]:
        raise DataError(
            f"{where}: training and test images must have one shape, but they are {part.images.shape[1:]} "
            f"and {official.images.shape[1:]}; check that all files come from the same release of the data"
        )
    return Source(part.images, part.labels, scale, classes, official)
