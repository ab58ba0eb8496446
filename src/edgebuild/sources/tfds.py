"""Pictures of a data set of TensorFlow Datasets, through that package, which is an extra: ``edgebuild[tfds]``.

Its splits train, validation and test stay what they are; others are left out.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow

from edgebuild.data.images import Bytes
from edgebuild.errors import DataError
from edgebuild.sources.image import convert
from edgebuild.sources.source import SPLIT_NAMES, Source, source
from edgebuild.sources.spool import Spool
from edgebuild.sources.tfrecord import labels_of

if TYPE_CHECKING:
    from edgebuild.params.data import Data, Image

__all__ = ["load"]

SCALE = 1 / 255


def load(params: Data, task: str) -> Source:
    """All examples of the splits that the build knows.

    Raises:
        DataError: the package, the data set or a key is missing.
    """
    names, wanted = params.tfds, params.image
    assert names is not None and wanted is not None  # params.yaml is refused without  # noqa: PT018
    builder = _builder(_package(), params, names.name)
    for key in (names.image, names.label):
        if key not in builder.info.features:
            known = ", ".join(builder.info.features)
            raise DataError(f"data.tfds: {names.name} has no {key!r}; it has {known}")
    there = [split for split in SPLIT_NAMES if split in builder.info.splits]
    if not there:
        known = ", ".join(builder.info.splits) or "none"
        raise DataError(f"data.tfds: {names.name} must have a split called train, but its splits are {known}")
    into, labels, split = Spool((wanted.height, wanted.width, wanted.channels)), [], []
    for name in there:
        for example in _examples(builder, name):
            into.add(_fitted(np.asarray(example[names.image]), wanted, names.name))
            labels.append(_label(example[names.label]))
            split.append(name)
    feature = builder.info.features[names.label]
    classes = tuple(map(str, getattr(feature, "names", None) or ()))
    found, classes = labels_of(labels, classes, task, "data.tfds")
    return source(
        into.done(), found, scale=SCALE, classes=classes, where=f"data.tfds: {names.name}", split=split
    )


def _package() -> ModuleType:
    try:
        return importlib.import_module("tensorflow_datasets")
    except ImportError as error:
        raise DataError(
            f"data.source: tfds needs the package tensorflow_datasets ({error}); pip install 'edgebuild[tfds]'"
        ) from None


def _builder(package: ModuleType, params: Data, name: str) -> Any:
    folder = Path(params.folder).expanduser()
    try:
        builder = package.builder(name, data_dir=str(folder))
    except Exception as error:  # a tree of its own, under Exception, for names, versions and files
        raise DataError(f"data.tfds.name: {name} cannot be opened in {folder}: {_line(error)}") from error
    if not Path(str(builder.data_path)).is_dir():
        if not params.download:
            raise DataError(
                f"data.tfds.name: {name} is not in {folder}; prepare it there (tfds build, or "
                f"tensorflow_datasets.builder({name!r}, data_dir={params.folder!r}).download_and_prepare()), "
                f"or set data.download: true"
            )
        try:
            builder.download_and_prepare()
        except Exception as error:
            raise DataError(f"data.tfds.name: {name} could not be downloaded: {_line(error)}") from error
    return builder


def _examples(builder: Any, split: str) -> Any:
    """The examples of a split in the order of its files, as numpy arrays."""
    package = importlib.import_module("tensorflow_datasets")
    config = package.ReadConfig(interleave_cycle_length=1, shuffle_seed=None)
    return package.as_numpy(builder.as_dataset(split=split, shuffle_files=False, read_config=config))


def _fitted(image: np.ndarray[Any, Any], wanted: Image, name: str) -> Bytes:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise DataError(
            f"data.tfds: {name}: pictures must be uint8 (height, width, 1, 3 or 4), but one is {image.dtype} of shape "
            f"{image.shape}; name another key in data.tfds.image"
        )
    return convert(Pillow.fromarray(image[:, :, 0] if image.shape[2] == 1 else image), wanted)


def _label(value: Any) -> Any:
    if isinstance(value, bytes):
        return (value,)
    if isinstance(value, Mapping):
        raise DataError("data.tfds.label: one array is required, but the key holds several; name another key")
    return np.atleast_1d(np.asarray(value))


def _line(error: Exception) -> str:
    """The first line of what a package says at length."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
