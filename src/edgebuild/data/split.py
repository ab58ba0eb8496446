"""One split of a data set, in memory and on disk: what every later stage reads.

On disk a split is an ``.npz`` of four arrays (images, labels, scale, classes),
uncompressed and never pickled. numpy dates each member 1980, so equal splits
are equal bytes.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgebuild.data.check import check
from edgebuild.errors import DataError

__all__ = ["Split"]

_DTYPES = {"images": "uint8", "labels": "int64", "scale": "float64", "classes": "str"}


@dataclass(frozen=True)
class Split:
    """Labelled images: ``real = images * scale`` lies in [0, 1].

    ``images`` is uint8 ``(n, height, width, channels)``, ``labels`` int64
    ``(n,)``, each an index into ``classes``.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    scale: float
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def real(self) -> npt.NDArray[np.float32]:
        """The images as networks take them: float32 ``(n, height, width, channels)`` in [0, 1]."""
        return self.images.astype(np.float32) * np.float32(self.scale)

    def write(self, path: Path) -> None:
        """Write the split to ``path``; equal splits give equal bytes."""
        # An open file: given a path, numpy appends ".npz" to names without it.
        with path.open("wb") as file:
            np.savez(
                file,
                images=self.images,
                labels=self.labels,
                scale=np.float64(self.scale),
                classes=np.array(self.classes, dtype=np.str_),
            )

    @classmethod
    def read(cls, path: Path) -> Split:
        """The split in ``path``, checked in full.

        Raises:
            DataError: the file is missing or damaged, an array is missing or of
                another dtype, or the contents are no labelled images.
        """
        arrays = _arrays(path)
        for name, dtype in _DTYPES.items():
            if name not in arrays:
                raise DataError(
                    f"{path}: a split holds {', '.join(_DTYPES)}, but {name} is missing; {_AGAIN}"
                )
            found = arrays[name].dtype
            if (found.kind != "U") if dtype == "str" else (found != np.dtype(dtype)):
                raise DataError(f"{path}: {name} must be {dtype}, but is {_describe(arrays[name])}; {_AGAIN}")
        if arrays["scale"].ndim != 0 or arrays["classes"].ndim != 1:
            raise DataError(
                f"{path}: scale must be one number and classes a list, but their shapes are "
                f"{arrays['scale'].shape} and {arrays['classes'].shape}; {_AGAIN}"
            )
        scale, classes = float(arrays["scale"]), tuple(str(name) for name in arrays["classes"])
        part = check(arrays["images"], arrays["labels"], scale=scale, classes=classes, where=str(path))
        return cls(part.images, part.labels, scale, classes)


_AGAIN = "delete it and run dvc repro prepare"

#: What zipfile and numpy raise on damaged archives, found by flipping every bit of one.
_DAMAGE = (
    ValueError,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    SyntaxError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def _arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    if not path.is_file():
        raise DataError(f"{path} does not exist; make it with dvc repro prepare")
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DataError(f"{path} is not an .npz archive; {_AGAIN}")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged ({error}); {_AGAIN}") from None


def _describe(array: npt.NDArray[np.generic]) -> str:
    """The dtype, and whether NaN or infinity is among the values: usually the real cause."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"{array.dtype} with NaN or infinite values"
    return str(array.dtype)
