"""The sources by name. To add one, write its module, and name it here and in ``params.data``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.errors import DataError
from edgebuild.sources import (
    audio_folder,
    digits,
    fashion_mnist,
    function,
    image_folder,
    manifest,
    npz,
    sensors,
    tfds,
    tfrecord,
)
from edgebuild.sources.source import Load, Source
from edgebuild.sources.targets import suited

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["SOURCES", "load", "title"]

SOURCES: Mapping[str, Load] = {
    "digits": digits.load,
    "fashion_mnist": fashion_mnist.load,
    "image_folder": image_folder.load,
    "manifest": manifest.load,
    "npz": npz.load,
    "function": function.load,
    "audio_folder": audio_folder.load,
    "sensors": sensors.load,
    "tfrecord": tfrecord.load,
    "tfds": tfds.load,
}


def load(params: Data, task: str) -> Source:
    """Load the source that ``params`` names, with labels of the form that ``task`` works on.

    Raises:
        DataError: no such source, its files cannot be used, or its labels do not
            suit the task.
    """
    if params.source not in SOURCES:
        raise DataError(
            f"data.source: {params.source!r} is not one of {', '.join(SOURCES)}; name one of them"
        )
    return suited(SOURCES[params.source](params, task), task)


def title(params: Data) -> str:
    """What the data card calls the data: a public data set by its name, one's own by the name of its folder or file."""
    public = params.source in ("digits", "fashion_mnist", "tfds")
    own = "" if public else Path(params.folder).stem
    return own or params.source
