"""A source from named arrays, as an .npz file holds them or a function of the user's gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.data.images import Bytes, Images, chunks
from edgebuild.errors import DataError
from edgebuild.sources.source import Source, source
from edgebuild.sources.spool import Spool, spool

__all__ = ["KEYS", "from_arrays"]

#: What may be given; the first two must be.
KEYS = ("images", "labels", "classes", "scale", "groups", "split", "test_images", "test_labels", "features")

CODES = 255


def from_arrays(given: Mapping[str, Any], where: str) -> Source:
    """A source of arrays by the names of :data:`KEYS`.

    ``images`` are uint8 ``(n, height, width[, channels])``, or floats in [0, 1],
    which are rounded to 255 steps; or an iterator of such images or batches,
    which is walked through once. ``labels`` have one of the forms of
    :class:`~edgebuild.data.check.Part`. ``classes`` are the names; without them
    classes are called by their numbers. ``scale`` is what one code stands for:
    1/255 unless said.

    Raises:
        DataError: other keys, missing ones, or arrays that are no labelled images.
    """
    if unknown := [key for key in given if key not in KEYS]:
        raise DataError(f"{where}: unknown {', '.join(map(str, unknown))}; known are {', '.join(KEYS)}")
    if missing := [key for key in KEYS[:2] if key not in given]:
        raise DataError(
            f"{where}: {' and '.join(missing)} must be there, but there is only "
            f"{', '.join(given) or 'nothing'}; name the arrays so"
        )
    if ("test_images" in given) != ("test_labels" in given):
        raise DataError(f"{where}: a test part needs both test_images and test_labels; give both, or neither")
    labels = np.asarray(given["labels"])
    if labels.ndim == 2 and labels.shape[1] == 1 and labels.dtype.kind in "ui":
        labels = labels[:, 0]  # as many published arrays are: a column of classes
    scale = float(given["scale"]) if "scale" in given else 1 / CODES
    test = None
    if "test_images" in given:
        test_labels = np.asarray(given["test_labels"])
        test_labels = test_labels[:, 0] if test_labels.ndim == 2 and labels.ndim == 1 else test_labels
        test = _codes(given["test_images"], scale, f"{where}, test part"), test_labels
    return source(
        _codes(given["images"], scale, where),
        labels,
        scale=scale,
        classes=_classes(given.get("classes"), labels, where),
        where=where,
        test=test,
        groups=given.get("groups"),
        split=given.get("split"),
        features=given.get("features"),
    )


def _codes(images: Any, scale: float, where: str) -> Images | npt.NDArray[np.generic]:
    """``images`` with a channel axis, floats as codes."""
    if isinstance(images, Iterator):
        return _walked(images, scale, where)
    if not isinstance(images, np.ndarray):
        if not all(hasattr(images, name) for name in ("shape", "dtype", "__len__", "__getitem__")):
            raise DataError(
                f"{where}: images must be an array, something with shape, dtype, len() and [indices], or an "
                f"iterator, but they are of type {type(images).__name__}"
            )
        lazy: Images = images
        return lazy
    array = images[..., np.newaxis] if images.ndim == 3 else images
    if array.dtype.kind != "f" or array.ndim != 4 or 0 in array.shape:
        return array
    if scale != 1 / CODES:  # codes, kept as floats
        return array
    shape: tuple[int, int, int] = array.shape[1:]
    into = Spool(shape)
    for chunk in chunks(array):
        into.add(_rounded(chunk, where, into.count))
    return into.done()


def _walked(images: Iterator[Any], scale: float, where: str) -> Bytes:
    first = next(images, None)
    if first is None:
        raise DataError(f"{where}: at least one image is required, but the iterator gives none")
    shape = np.shape(first)[-3:]

    def codes() -> Iterator[Bytes]:
        seen = 0
        for item in chain([first], images):
            array = np.asarray(item)
            if array.shape[-3:] != shape or array.ndim not in (3, 4):
                raise DataError(
                    f"{where}: all images must have one shape, (height, width, channels), but image {seen} has "
                    f"{array.shape} and the first {shape}"
                )
            whole = array.dtype == np.uint8
            if not whole and not (array.dtype.kind == "f" and scale == 1 / CODES):
                raise DataError(f"{where}: images must be uint8, or floats in [0, 1], but are {array.dtype}")
            yield array if whole else _rounded(array.reshape(-1, *shape), where, seen)
            seen += 1 if array.ndim == 3 else len(array)

    return spool(shape, codes())


def _rounded(chunk: npt.NDArray[np.generic], where: str, first: int) -> Bytes:
    real = chunk.astype(np.float64)
    bad = np.argwhere(~((real >= 0) & (real <= 1)))
    if len(bad):
        place = tuple(bad[0])
        raise DataError(
            f"{where}: float images must lie in [0, 1], but image {first + place[0]} holds {float(real[place])!r}; "
            f"divide by the largest value, or give codes of 0 to 255 as uint8"
        )
    return np.rint(real * CODES).astype(np.uint8)


def _classes(given: Any, labels: npt.NDArray[np.generic], where: str) -> tuple[str, ...]:
    if given is not None:
        return tuple(str(name) for name in given)
    if labels.ndim == 2:
        return tuple(
            f"{'target' if labels.dtype.kind == 'f' else 'class'} {i}" for i in range(labels.shape[1])
        )
    if labels.ndim != 1 or labels.dtype.kind not in "ui" or len(labels) == 0:
        return ("0", "1")  # the check of the labels has more to say
    if int(labels.min()) < 0 or int(labels.max()) > 9999:
        raise DataError(
            f"{where}: labels must be class indices from 0, but they lie between {labels.min()} and {labels.max()}; "
            f"number the classes from 0"
        )
    return tuple(str(label) for label in range(int(labels.max()) + 1))
