"""Pictures and labels from TFRecord files of ``tf.train.Example``, read without TensorFlow.

All files below ``data.folder`` with ``.tfrecord`` in their names are read in
the order of their names. Where a file's name or folder has ``train`` or ``test``
(or ``validation``, ``calibration``) as a word, ``mnist-train.tfrecord-00000-of-00001``
say, its examples stay in that split.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebuild.data.images import Bytes, Labels
from edgebuild.errors import DataError
from edgebuild.sources.faults import Faults
from edgebuild.sources.image import Unusable, decode
from edgebuild.sources.image_folder import top
from edgebuild.sources.manifest import in_order
from edgebuild.sources.records import Feature, examples
from edgebuild.sources.source import SPLIT_NAMES, Source, source
from edgebuild.sources.spool import Spool

if TYPE_CHECKING:
    from edgebuild.params.data import Data, Image
    from edgebuild.params.tfrecord import TFRecord

__all__ = ["classes_named", "labels_of", "load", "pixels"]

SCALE = 1 / 255
WAY_OUT = "write the listed records again, or name other features in data.tfrecord"

PICTURES = (b"\x89PNG", b"\xff\xd8\xff")  #: what PNG and JPEG files begin with


def load(params: Data, task: str) -> Source:
    """All examples of the files in ``data.folder``.

    Raises:
        DataError: no folder or files, a damaged file, or records that cannot be
            used: all of them at once.
    """
    names, wanted = params.tfrecord, params.image
    assert names is not None and wanted is not None  # params.yaml is refused without  # noqa: PT018
    folder = top(params.folder)
    files = sorted(path for path in folder.rglob("*") if ".tfrecord" in path.name and path.is_file())
    if not files:
        raise DataError(
            f"data.folder: {params.folder} holds no file with .tfrecord in its name; put them there"
        )
    splits = _splits([path.relative_to(folder) for path in files])
    faults = Faults(f"data.folder: {params.folder}")
    into, labels, groups, split = Spool((wanted.height, wanted.width, wanted.channels)), [], [], []
    for path, placed in zip(files, splits, strict=True):
        for number, example in enumerate(examples(path)):
            place = f"{path.relative_to(folder).as_posix()}, record {number}"
            try:
                image, label, group = _read(example, names, wanted)
            except Unusable as error:
                faults.add(place, error)
                continue
            if not faults:
                into.add(image)
                labels.append(label)
                groups.append(group)
                split.append(placed)
    faults.refuse(WAY_OUT)
    if not labels:
        raise DataError(f"data.folder: the TFRecord files in {params.folder} hold no examples; write some")
    names_of = classes_named(names.classes, folder)
    found, classes = labels_of(labels, names_of, task, "data.tfrecord")
    return source(
        into.done(), found, scale=SCALE, classes=classes, where=faults.where,
        groups=groups if names.group else None, split=split,
    )  # fmt: skip


def pixels(values: Feature, wanted: Image) -> Bytes:
    """A feature as uint8 ``(height, width, channels)``: a picture's file, or the values themselves.

    Raises:
        Unusable: neither.
    """
    shape = wanted.height, wanted.width, wanted.channels
    size = wanted.height * wanted.width * wanted.channels
    if isinstance(values, tuple):
        if len(values) != 1:
            raise Unusable(f"one picture is required, but its feature holds {len(values)}")
        if len(values[0]) == size and not values[0].startswith(PICTURES):
            return np.frombuffer(values[0], np.uint8).reshape(shape)
        return decode(BytesIO(values[0]), wanted)
    if len(values) != size:
        raise Unusable(
            f"{size} values are required, height × width × channels of data.image, but there are {len(values)}"
        )
    top_code = 1.0 if values.dtype.kind == "f" else 255
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= top_code):
        raise Unusable(
            f"values must lie between 0 and {top_code:g}, but lie between {values.min()} and {values.max()}"
        )
    codes = np.rint(values * (255 / top_code)) if values.dtype.kind == "f" else values
    return codes.astype(np.uint8).reshape(shape)


def labels_of(
    values: list[Feature], names: tuple[str, ...], task: str, knob: str
) -> tuple[Labels, tuple[str, ...]]:
    """The labels of all examples in the form that ``task`` takes, and the classes' or targets' names.

    Args:
        values: what each example says: numbers or texts.
        names: the classes in the order of their numbers; none if nobody has named them.
        task: the kind of task.
        knob: the section of params.yaml, for messages.

    Raises:
        DataError: they do not suit the task, or a number or text has no name.
    """
    many = task in ("multilabel", "regression")
    sizes = {len(value) for value in values}
    if len(sizes) > 1 or (not many and sizes != {1}):
        required = "the same number of labels" if many else "one label"
        raise DataError(
            f"{knob}.label: task.kind: {task} needs {required} for every example, but there are "
            f"{' and '.join(map(str, sorted(sizes)[:5]))}; name another feature"
        )
    if isinstance(values[0], tuple):
        if many:
            raise DataError(f"{knob}.label: task.kind: {task} needs numbers, but the feature holds texts")
        texts = [_text(value) for value in values]
        classes = names or in_order(set(texts))
        if unknown := sorted(set(texts) - set(classes)):
            raise DataError(
                f"{knob}.classes: {', '.join(unknown[:5])} is among the labels, but not among the classes"
            )
        return np.array([classes.index(text) for text in texts], np.int64), classes
    array = np.stack([np.asarray(value) for value in values])
    if task == "regression":
        return array.astype(np.float32), names or tuple(f"target{k}" for k in range(array.shape[1]))
    if many:
        return array.astype(np.int64), names or tuple(map(str, range(array.shape[1])))
    numbers = array[:, 0]
    if numbers.dtype.kind == "f" or numbers.min() < 0:
        found = "there are floats" if numbers.dtype.kind == "f" else f"there is {numbers.min()}"
        raise DataError(f"{knob}.label: whole numbers from 0 are required, but {found}; name another feature")
    return numbers, names or tuple(map(str, range(int(numbers.max()) + 1)))


def classes_named(classes: str, folder: Path) -> tuple[str, ...]:
    """The names that params.yaml states, or those in the file that it names."""
    if classes and (folder / classes).is_file():
        return tuple(
            line.strip() for line in (folder / classes).read_text("utf-8").splitlines() if line.strip()
        )
    return tuple(name.strip() for name in classes.split(",")) if classes else ()


def _read(example: Mapping[str, Feature], names: TFRecord, wanted: Image) -> tuple[Bytes, Feature, str]:
    asked = (names.image, names.label, *([names.group] if names.group else []))
    if missing := [name for name in asked if name not in example or not len(example[name])]:
        raise Unusable(f"no feature {', '.join(missing)}; it has {', '.join(sorted(example))}")
    group = _text(example[names.group]) if names.group else ""
    return pixels(example[names.image], wanted), example[names.label], group


def _text(values: Feature) -> str:
    return values[0].decode("utf-8", "replace") if isinstance(values, tuple) else str(values[0])


def _splits(paths: list[Path]) -> list[str]:
    """The split that each file's name or folders say, "" unless some file is of train."""
    found = [
        [word for word in re.split(r"[^a-z]+", path.as_posix()) if word in SPLIT_NAMES] for path in paths
    ]
    if not any("train" in words for words in found):
        return [""] * len(paths)
    return [words[0] if words else "" for words in found]
