"""The one check that images and labels pass, wherever they come from.

Sources hand over whatever their files hold (bytes, floats, any integer type);
the build works on uint8 codes and on labels of three forms only. :func:`check`
is the gate between the two, for fresh sources and for splits read back from
disk. It looks at a chunk of the images at a time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from edgebuild.data.images import Bytes, Images, Labels, chunks, rows_of
from edgebuild.errors import DataError

__all__ = ["MAX_CHANNELS", "Part", "check"]

MAX_CHANNELS = 64


@dataclass(frozen=True)
class Part:
    """Checked images, uint8 ``(n, height, width, channels)``, and their labels.

    Labels are int64 ``(n,)`` (classes), int64 ``(n, classes)`` of 0 and 1
    (multi-label) or float32 ``(n, targets)`` (regression).
    """

    images: Images
    labels: Labels


def check(
    images: Images | npt.NDArray[np.generic],
    labels: npt.NDArray[np.generic],
    *,
    scale: float,
    classes: tuple[str, ...],
    where: str,
) -> Part:
    """Refuse whatever is not a labelled set of images; convert the rest without loss.

    Args:
        images: uint8, or an array of any real dtype, ``(n, height, width,
            channels)`` with 1 to 64 channels, n at least 1. Values are codes:
            whole numbers from 0 to ``1 / scale``, at most 255, so that
            ``code * scale`` lies in [0, 1].
        labels: whole numbers ``(n,)``, each an index into ``classes``; or 0 and
            1 ``(n, classes)``; or floats ``(n, targets)``.
        scale: the real number that one code stands for.
        classes: different names, at least two where labels are indices; of
            a regression, the targets' names.
        where: what an error calls the data, a file for instance.

    Raises:
        DataError: with what is required, what was found, and the way out.
    """
    _check_classes(classes, 2 if labels.ndim < 2 else 1, where)
    if not (np.isfinite(scale) and 1 / 255 <= scale <= 1):
        raise DataError(
            f"{where}: the scale must lie between 1/255 and 1, so that codes of one byte reach 1.0, but it "
            f"is {scale!r}; give the reciprocal of the largest code"
        )
    return Part(_images(images, round(1 / scale), where), _labels(labels, len(images), classes, where))


def _check_classes(classes: tuple[str, ...], least: int, where: str) -> None:
    if len(classes) < least:
        raise DataError(
            f"{where}: at least {'two classes are' if least == 2 else 'one name is'} required, but the list of "
            f"classes is {list(classes)}; a classifier of one class has nothing to learn"
        )
    if twice := [name for name, count in Counter(classes).items() if count > 1]:
        raise DataError(
            f"{where}: class names must differ, but {', '.join(twice)} is there twice; rename one"
        )
    if any(not name.strip() for name in classes):
        raise DataError(
            f"{where}: class names must not be empty, but the list is {list(classes)}; name them all"
        )


def _images(images: Images | npt.NDArray[np.generic], largest: int, where: str) -> Images:
    shape = images.shape
    if len(shape) != 4 or 0 in shape[1:] or shape[3] > MAX_CHANNELS:
        raise DataError(
            f"{where}: images must have the shape (n, height, width, channels) with 1 to {MAX_CHANNELS} "
            f"channels, but the shape is {shape}; reshape them in the source"
        )
    if len(images) == 0:
        raise DataError(
            f"{where}: at least one image is required, but there is none; check the source's files"
        )
    if np.dtype(images.dtype).kind not in "uif":
        raise DataError(
            f"{where}: images must be numbers, but their dtype is {images.dtype}; convert them in the source"
        )
    if images.dtype == np.uint8:
        if largest < 255:  # any byte is a code otherwise
            _check_values(cast(Images, images), largest, where)
        return cast(Images, np.ascontiguousarray(images) if isinstance(images, np.ndarray) else images)
    _check_values(cast(Images, images), largest, where)
    return np.ascontiguousarray(cast(Bytes, images), dtype=np.uint8)


def _check_values(images: Images, largest: int, where: str) -> None:
    # A rule is looked for in all images before the next one, as if they were checked at once.
    rules = ("not finite", "negative", "too large", "not whole")
    found: dict[str, tuple[int, object]] = {}
    first = 0
    rows = rows_of(images.shape)
    for chunk in chunks(images, rows):
        if not (chunk.dtype == np.uint8 and chunk.max() <= largest):
            for rule, (image, value) in _broken(chunk, largest).items():
                found.setdefault(rule, (first + image, value))
        first += rows
    if worst := next((rule for rule in rules if rule in found), None):
        image, value = found[worst]
        raise DataError(
            f"{where}: every image value must be a whole number from 0 to {largest}, but image {image} "
            f"holds {value!r} ({worst}); repair or remove that image"
        )


def _broken(chunk: npt.NDArray[np.generic], largest: int) -> dict[str, tuple[int, object]]:
    """The first image that breaks each rule, and the value that does."""
    flat = chunk.reshape(len(chunk), -1)
    real = flat.astype(np.float64)
    broken = {
        "not finite": ~np.isfinite(real),
        "negative": real < 0,
        "too large": real > largest,
        "not whole": real != np.floor(real),
    }
    places = {rule: np.argwhere(mask)[0] for rule, mask in broken.items() if mask.any()}
    return {rule: (int(image), flat[image, position].item()) for rule, (image, position) in places.items()}


def _labels(labels: npt.NDArray[np.generic], images: int, classes: tuple[str, ...], where: str) -> Labels:
    whole = labels.dtype.kind in "uib"
    if not (labels.ndim == 1 and whole) and not (labels.ndim == 2 and (whole or labels.dtype.kind == "f")):
        raise DataError(
            f"{where}: labels must be whole numbers of shape (n,), a class index per image, or (n, classes) of 0 "
            f"and 1, or float targets (n, targets), but they are {labels.dtype} of shape {labels.shape}"
        )
    if len(labels) != images:
        raise DataError(
            f"{where}: one label per image is required, but there are {len(labels)} labels for {images} "
            f"images; check that both come from the same release of the data"
        )
    if labels.ndim == 2 and labels.shape[1] != len(classes):
        raise DataError(
            f"{where}: labels must have a column for each of {', '.join(classes)}, but their shape is "
            f"{labels.shape}; name every column"
        )
    if labels.dtype.kind == "f":
        return _targets(labels, classes, where)
    most = len(classes) - 1 if labels.ndim == 1 else 1
    indices = labels.astype(np.int64)
    outside = np.argwhere((indices < 0) | (indices > most))
    if len(outside):
        place = tuple(outside[0])
        many = f" ({len(classes)} classes)" if labels.ndim == 1 else ", one for each class"
        raise DataError(
            f"{where}: labels must lie between 0 and {most}{many}, but label "
            f"{place[0]} is {labels[place]}; repair the labels or name the missing classes"
        )
    return np.ascontiguousarray(indices)


def _targets(
    labels: npt.NDArray[np.generic], classes: tuple[str, ...], where: str
) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        targets = np.ascontiguousarray(labels, dtype=np.float32)
    bad = np.argwhere(~np.isfinite(targets))
    if len(bad):
        row, column = bad[0]
        raise DataError(
            f"{where}: targets must be finite numbers, but {classes[column]} of example {row} is "
            f"{labels[row, column]}; repair or remove it"
        )
    return targets
