"""Sounds in a folder for each class, as log-mel spectrograms: ``yes/0a7c2a8d_nohash_0.wav``.

Folders are laid out as those of pictures are, with or without train/ and test/ on
top. ``validation_list.txt`` and ``testing_list.txt`` beside the classes, as Speech
Commands has them, place the files that they list; folders whose names begin with
an underscore (its ``_background_noise_``) are no classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebuild.data.images import Bytes
from edgebuild.sources.faults import Faults
from edgebuild.sources.groups import Ungrouped, group_of
from edgebuild.sources.image_folder import classes_of, placed, top
from edgebuild.sources.logmel import SCALE, LogMel, Samples
from edgebuild.sources.rehearse import rehearse
from edgebuild.sources.source import Source, source
from edgebuild.sources.spool import Spool
from edgebuild.sources.wav import Unusable, inspect, length, mono, read

if TYPE_CHECKING:
    from edgebuild.params.audio import Audio
    from edgebuild.params.data import Data

__all__ = ["load", "transform"]

WAY_OUT = "repair or remove what is listed"
LISTS = {"validation_list.txt": "validation", "testing_list.txt": "test"}


@dataclass(frozen=True)
class Clip:
    """One file: where it is, what is known of it, and how many clips it gives."""

    path: Path
    place: str  #: what messages call it
    label: int
    split: str
    group: str | None
    count: int


def load(params: Data, task: str) -> Source:
    """All sounds in ``data.folder``, class by class in the order of names.

    Raises:
        DataError: no folder, fewer than two classes, or files that cannot be
            used: all of them at once.
    """
    audio = params.audio
    assert audio is not None  # params.yaml is refused without
    how = transform(audio)
    how.check()
    folder, faults = top(params.folder), Faults(f"data.folder: {params.folder}")
    found = list(placed(folder, faults, hidden="._"))
    classes = classes_of(found, folder)
    lists = _lists(folder, faults)
    step = round(audio.step_seconds * audio.rate)
    clips = []
    for split, name, files in found:
        for path in files:
            place = path.relative_to(folder).as_posix()
            try:
                clip = _clip(
                    path, place, classes.index(name), split or lists.get(place, ""), audio, how, step
                )
            except (Unusable, Ungrouped, OSError) as error:
                faults.add(place, error)
            else:
                clips.append(clip)
    labels = np.array([clip.label for clip in clips for _ in range(clip.count)], np.int64)
    grouped = bool(audio.group or step)
    groups = [clip.group for clip in clips for _ in range(clip.count)] if grouped else None
    placing = [clip.split for clip in clips for _ in range(clip.count)]
    if not faults:
        rehearse(params, task, labels, classes, where=faults.where, groups=groups, split=placing)
    examples, extremes = _examples(clips, audio.rate, how, step, faults)
    faults.refuse(WAY_OUT)
    features = how.describe() | {"codes_at_floor": extremes[0], "codes_at_0_db": extremes[1]}
    return source(
        examples, labels, scale=SCALE, classes=classes, where=faults.where, groups=groups, split=placing,
        features=features,
    )  # fmt: skip


def transform(audio: Audio) -> LogMel:
    """The transform with lengths in samples, as params.yaml gives them in seconds."""
    return LogMel(
        rate=audio.rate,
        samples=round(audio.seconds * audio.rate),
        window=round(audio.window_ms * audio.rate / 1000),
        hop=round(audio.hop_ms * audio.rate / 1000),
        mels=audio.mels,
        low_hz=audio.low_hz,
        high_hz=audio.high_hz,
        floor_db=audio.floor_db,
    )


def _clip(path: Path, place: str, label: int, split: str, audio: Audio, how: LogMel, step: int) -> Clip:
    if path.suffix.lower() != ".wav":
        raise Unusable("its name does not end in .wav")
    samples = length(inspect(path), audio.rate)
    count = 1 + max(0, samples - how.samples) // step if step else 1
    group = group_of(audio.group, path.name, "data.audio.group") if audio.group else place
    return Clip(path, place, label, split, group, count)


def _lists(folder: Path, faults: Faults) -> dict[str, str]:
    """The splits of the files that Speech Commands' lists name."""
    splits: dict[str, str] = {}
    for name, split in LISTS.items():
        if (folder / name).is_file():
            for number, line in enumerate((folder / name).read_text("utf-8").splitlines(), 1):
                if not (folder / line).is_file():
                    faults.add(f"{name}, line {number}", f"there is no file {line}")
                elif splits.setdefault(line, split) != split:
                    faults.add(f"{name}, line {number}", f"{line} is in another list, too")
    return splits


def _examples(
    clips: list[Clip], rate: int, how: LogMel, step: int, faults: Faults
) -> tuple[Bytes, tuple[float, float]]:
    """All spectrograms in order, and the shares of codes that are 0 and 255: too many say that bounds are wrong."""
    into = Spool(how.shape)
    ends = np.zeros(2, np.int64)
    for clip in clips:
        try:
            samples = mono(read(clip.path), rate)
        except (Unusable, OSError) as error:
            faults.add(clip.place, error)
            continue
        if faults:  # what is read after the first fault is only looked at
            continue
        for piece in _pieces(samples, how.samples, clip.count, step):
            codes = how.codes(piece)
            ends += np.count_nonzero(codes == 0), np.count_nonzero(codes == 255)
            into.add(codes)
    total = max(1, into.count * how.shape[0] * how.shape[1])
    return into.done(), (round(int(ends[0]) / total, 4), round(int(ends[1]) / total, 4))


def _pieces(samples: Samples, size: int, count: int, step: int) -> Iterator[Samples]:
    """``count`` clips of ``size`` samples, the end of a sound that is shorter being silence."""
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    for number in range(count):
        yield padded[number * step : number * step + size]
