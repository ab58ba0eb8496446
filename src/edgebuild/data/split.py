"""One split of a data set, in memory and on disk: what every later stage reads.

On disk a split is an ``.npz`` of four arrays (images, labels, scale, classes),
uncompressed and never pickled. numpy dates each member 1980, so equal splits
are equal bytes. Read back, the images stay in the file and are mapped into
memory: what is not looked at is not loaded, and a split may be larger than
memory is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgebuild.data import archive
from edgebuild.data.check import check
from edgebuild.data.images import Bytes, Images, Labels, Selection
from edgebuild.errors import DataError

__all__ = ["Draw", "Split"]

Floats = npt.NDArray[np.float32]

_DTYPES = {"images": ("uint8",), "labels": ("int64", "float32"), "scale": ("float64",), "classes": ("str",)}


@dataclass(frozen=True)
class Split:
    """Labelled images: ``real = images * scale`` lies in [0, 1].

    ``images`` is uint8 ``(n, height, width, channels)``, read-only where it lies
    in a file. ``labels`` is int64 ``(n,)``, each an index into ``classes``
    (for anomaly detection 0, normal, or 1); or int64 ``(n, classes)`` of 0
    and 1 (multi-label); or float32 ``(n, targets)`` (regression, whose targets
    ``classes`` names).
    """

    images: Bytes
    labels: Labels
    scale: float
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def real(self, count: int | None = None) -> Floats:
        """The first ``count`` images (or all, whatever that takes of memory), as :meth:`batches` gives them."""
        return self.images[:count].astype(np.float32) * np.float32(self.scale)

    def batches(self, size: int = 500) -> Iterator[Floats]:
        """All images in order as networks take them, ``size`` at a time: float32 ``(size, h, w, c)`` in [0, 1]."""
        for start in range(0, len(self), size):
            yield self.images[start : start + size].astype(np.float32) * np.float32(self.scale)

    def write(self, path: Path) -> None:
        """Write the split to ``path``; equal splits give equal bytes."""
        _write(path, self.images, self.labels, self.scale, self.classes)

    @classmethod
    def read(cls, path: Path) -> Split:
        """The split in ``path``, checked in full, its images mapped.

        Raises:
            DataError: the file is missing or damaged, an array is missing or of
                another dtype, or the contents are no labelled images.
        """
        arrays = archive.read(path)
        for name, dtypes in _DTYPES.items():
            if name not in arrays:
                raise DataError(
                    f"{path}: a split holds {', '.join(_DTYPES)}, but {name} is missing; {archive.AGAIN}"
                )
            found = arrays[name].dtype
            if ("str" if found.kind == "U" else str(found)) not in dtypes:
                raise DataError(
                    f"{path}: {name} must be {' or '.join(dtypes)}, but is {_describe(arrays[name])}; "
                    f"{archive.AGAIN}"
                )
        if arrays["scale"].ndim != 0 or arrays["classes"].ndim != 1:
            raise DataError(
                f"{path}: scale must be one number and classes a list, but their shapes are "
                f"{arrays['scale'].shape} and {arrays['classes'].shape}; {archive.AGAIN}"
            )
        scale, classes = float(arrays["scale"]), tuple(str(name) for name in arrays["classes"])
        images: npt.NDArray[np.generic] = arrays["images"]
        part = check(images, arrays["labels"], scale=scale, classes=classes, where=str(path))
        return cls(np.asarray(part.images), part.labels, scale, classes)


@dataclass(frozen=True)
class Draw:
    """What a split is to hold, before it is written: its images are fetched when asked for."""

    images: Selection
    labels: Labels
    scale: float
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def write(self, path: Path) -> None:
        """Write the split to ``path``, with a chunk of it in memory at a time."""
        _write(path, self.images, self.labels, self.scale, self.classes)

    def load(self) -> Split:
        """The split, all of it in memory."""
        return Split(self.images[np.arange(len(self))], self.labels, self.scale, self.classes)


def _write(path: Path, images: Images, labels: Labels, scale: float, classes: tuple[str, ...]) -> None:
    others = {"labels": labels, "scale": np.float64(scale), "classes": np.array(classes, dtype=np.str_)}
    archive.write(path, images, {name: np.asarray(array) for name, array in others.items()})


def _describe(array: npt.NDArray[np.generic]) -> str:
    """The dtype, and whether NaN or infinity is among the values: usually the real cause."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"{array.dtype} with NaN or infinite values"
    return str(array.dtype)
