"""Section ``data`` of params.yaml: which data, and how it is split.

The sections ``image``, ``manifest`` and so on belong to some sources only: one
that the named source needs is required, one that it does not use is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from edgebuild.params.audio import Audio
from edgebuild.params.kinds import Seed, Size
from edgebuild.params.sensors import Sensors
from edgebuild.params.tfrecord import TFDS, TFRecord
from edgebuild.strict import Range

__all__ = ["Data", "Image", "Manifest"]

Pixels = Annotated[int, Range(1, 4096)]


@dataclass(frozen=True)
class Image:
    """What pictures of any size and kind are turned into."""

    height: Pixels
    width: Pixels
    channels: Literal[1, 3, 4]  #: grey, RGB, RGBA
    fit: Literal[
        "crop", "pad", "stretch"
    ]  #: crop the longer side, pad the shorter one with black, or neither


@dataclass(frozen=True)
class Manifest:
    """A table with a line per picture, CSV or Parquet; ``""`` stands for a column that there is not."""

    file: str  #: the table, in data.folder
    path: str  #: column of the picture's file, relative to the table's folder
    label: str  #: column of the class; of `a|b` lists (multilabel); or several columns, separated by commas
    split: str  #: column of the split: train, validation, calibration, test or nothing
    group: str  #: column of what must not be torn apart: a person, a recording


#: What else each source reads: the names of sections (or of a text) that only some sources have.
PARTS: Mapping[str, tuple[str, ...]] = {
    "digits": (),
    "fashion_mnist": (),
    "image_folder": ("image",),
    "manifest": ("image", "manifest"),
    "npz": (),
    "function": ("function",),
    "audio_folder": ("audio",),
    "sensors": ("sensors",),
    "tfrecord": ("image", "tfrecord"),
    "tfds": ("image", "tfds"),
}

#: Sources that read data.folder and cannot do without.
IN_FOLDER = ("image_folder", "manifest", "npz", "audio_folder", "sensors", "tfrecord", "tfds")

#: Sources that can fetch their files where data.download allows it.
FETCHED = ("fashion_mnist", "tfds")


#: Sources that never say themselves what to validate or calibrate on.
PLACE_NOTHING = ("digits", "fashion_mnist")


@dataclass(frozen=True)
class Data:
    """Which data, and how it is split; see docs/data.md."""

    source: Literal[
        "digits", "fashion_mnist", "image_folder", "manifest", "npz", "function", "audio_folder", "sensors", "tfrecord",
        "tfds",
    ]  # fmt: skip
    folder: str  #: where the source's files lie (npz: the file itself); "" lets the source decide
    download: bool  #: may the source fetch its files?
    validation: Size  #: examples to watch trainings with; 0 takes all that the data places there
    calibration: Size  #: examples to find activation ranges with; 0 takes all that the data places there
    test: Size  #: examples to judge on; 0 takes all that the data places there, an official test part say
    seed: Seed
    image: Image | None = None
    manifest: Manifest | None = None
    function: str | None = None  #: module:function of the user's own, which gives the examples
    audio: Audio | None = None
    sensors: Sensors | None = None
    tfrecord: TFRecord | None = None
    tfds: TFDS | None = None

    def problems(self) -> list[str]:
        """What is wrong with knobs that depend on one another, a line each."""
        needed = PARTS[self.source]
        parts = [part.name for part in fields(self) if part.default is None]
        found = [
            f"data.{name}: missing; data.source: {self.source} needs it, docs/data.md shows an example"
            for name in needed
            if getattr(self, name) is None
        ]
        found += [
            f"data.{name}: data.source: {self.source} does not use it; remove it, or name a source that does: "
            f"{', '.join(source for source, used in PARTS.items() if name in used)}"
            for name in parts
            if getattr(self, name) is not None and name not in needed
        ]
        if self.source in PLACE_NOTHING:
            found += [
                f"data.{name}: 0 is out of range; allowed is at least 1, since {self.source} places none there"
                for name in ("validation", "calibration")
                if getattr(self, name) == 0
            ]
        if not self.folder and self.source in IN_FOLDER:
            found.append(
                f"data.folder: '' names nothing; data.source: {self.source} needs to know where its files lie"
            )
        if self.folder and self.source == "digits":
            found.append(
                f"data.folder: {self.folder!r} has no meaning for data.source: digits, which is embedded in "
                f'scikit-learn; write "", or name the source that reads it'
            )
        if self.download and self.source not in FETCHED:
            found.append(
                f"data.download: true has no meaning for data.source: {self.source}, which fetches nothing; "
                f"write false"
            )
        for section in (self.audio, self.sensors):
            found += section.problems() if section is not None else []
        return found
