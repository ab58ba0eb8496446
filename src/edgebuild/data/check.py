"""The one check that images and labels pass, wherever they come from.

Sources hand over whatever their files hold (bytes, floats, any integer type);
the build works on uint8 codes and int64 labels only. :func:`check` is the gate
between the two, for fresh sources and for splits read back from disk.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError

__all__ = ["MAX_CHANNELS", "Part", "check"]

MAX_CHANNELS = 4


@dataclass(frozen=True)
class Part:
    """Checked images and their labels: uint8 ``(n, height, width, channels)`` and int64 ``(n,)``."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def check(
    images: npt.NDArray[np.generic],
    labels: npt.NDArray[np.generic],
    *,
    scale: float,
    classes: tuple[str, ...],
    where: str,
) -> Part:
    """Refuse whatever is not a labelled set of images; convert the rest without loss.

    Args:
        images: any real dtype, ``(n, height, width, channels)`` with 1 to 4
            channels, n at least 1. Values are codes: whole numbers from 0 to
            ``1 / scale``, at most 255, so that ``code * scale`` lies in [0, 1].
        labels: whole numbers ``(n,)``, each an index into ``classes``.
        scale: the real number that one code stands for.
        classes: at least two different names.
        where: what an error calls the data, a file for instance.

    Raises:
        DataError: with what is required, what was found, and the way out.
    """
    _check_classes(classes, where)
    if not (np.isfinite(scale) and 1 / 255 <= scale <= 1):
        raise DataError(
            f"{where}: the scale must lie between 1/255 and 1, so that codes of one byte reach 1.0, but it "
            f"is {scale!r}; give the reciprocal of the largest code"
        )
    return Part(_images(images, round(1 / scale), where), _labels(labels, len(images), classes, where))


def _check_classes(classes: tuple[str, ...], where: str) -> None:
    if len(classes) < 2:
        raise DataError(
            f"{where}: at least two classes are required, but the list of classes is {list(classes)}; "
            f"a classifier of one class has nothing to learn"
        )
    if twice := [name for name, count in Counter(classes).items() if count > 1]:
        raise DataError(
            f"{where}: class names must differ, but {', '.join(twice)} is there twice; rename one"
        )
    if any(not name.strip() for name in classes):
        raise DataError(
            f"{where}: class names must not be empty, but the list is {list(classes)}; name them all"
        )


def _images(images: npt.NDArray[np.generic], largest: int, where: str) -> npt.NDArray[np.uint8]:
    if images.ndim != 4 or 0 in images.shape[1:] or images.shape[3] > MAX_CHANNELS:
        raise DataError(
            f"{where}: images must have the shape (n, height, width, channels) with 1 to {MAX_CHANNELS} "
            f"channels, but the shape is {images.shape}; reshape them in the source"
        )
    if len(images) == 0:
        raise DataError(
            f"{where}: at least one image is required, but there is none; check the source's files"
        )
    if images.dtype.kind not in "uif":
        raise DataError(
            f"{where}: images must be numbers, but their dtype is {images.dtype}; convert them in the source"
        )
    found = _first_bad(images, largest)
    if found is not None:
        rule, index = found
        value = images.reshape(len(images), -1)[index].item()
        raise DataError(
            f"{where}: every image value must be a whole number from 0 to {largest}, but image {index[0]} "
            f"holds {value!r} ({rule}); repair or remove that image"
        )
    return np.ascontiguousarray(images, dtype=np.uint8)


def _first_bad(images: npt.NDArray[np.generic], largest: int) -> tuple[str, tuple[int, int]] | None:
    """The first broken rule and where: (image, position in it)."""
    flat = images.reshape(len(images), -1)
    if flat.dtype == np.uint8 and flat.max() <= largest:
        return None  # nearly every call: no copies of the whole data set
    real = flat.astype(np.float64)
    rules = {
        "not finite": ~np.isfinite(real),
        "negative": real < 0,
        "too large": real > largest,
        "not whole": real != np.floor(real),
    }
    for rule, broken in rules.items():
        if broken.any():
            image, position = np.argwhere(broken)[0]
            return rule, (int(image), int(position))
    return None


def _labels(
    labels: npt.NDArray[np.generic], images: int, classes: tuple[str, ...], where: str
) -> npt.NDArray[np.int64]:
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise DataError(
            f"{where}: labels must be whole numbers of shape (n,), but they are {labels.dtype} of shape "
            f"{labels.shape}; give one class index per image"
        )
    if len(labels) != images:
        raise DataError(
            f"{where}: one label per image is required, but there are {len(labels)} labels for {images} "
            f"images; check that both come from the same release of the data"
        )
    whole = labels.astype(np.int64)
    outside = np.flatnonzero((whole < 0) | (whole >= len(classes)))
    if len(outside):
        raise DataError(
            f"{where}: labels must lie between 0 and {len(classes) - 1} ({len(classes)} classes), but label "
            f"{outside[0]} is {labels[outside[0]]}; repair the labels or name the missing classes"
        )
    return np.ascontiguousarray(whole)
