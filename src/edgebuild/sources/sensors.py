"""Recordings of sensors, as windows over time: CSV files in a folder for each class, or tables with a column for it.

A window is an image of one column, ``(window, 1, channels)``, whose codes run
from a channel's ``low`` to its ``high``. Bounds that params.yaml does not state
are the extremes of the training split, never of what the networks are judged on;
they go into the data card, because an app needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgebuild.data.images import Labels
from edgebuild.errors import DataError
from edgebuild.sources.faults import Faults
from edgebuild.sources.groups import Ungrouped, group_of
from edgebuild.sources.image_folder import classes_of, placed, top
from edgebuild.sources.manifest import in_order
from edgebuild.sources.recordings import Table, Unusable, pieces, read, targets_of
from edgebuild.sources.rehearse import rehearse
from edgebuild.sources.source import Source, source
from edgebuild.sources.spool import Spool
from edgebuild.sources.windows import Floats, codes, count, cut

if TYPE_CHECKING:
    from edgebuild.params.data import Data
    from edgebuild.params.sensors import Sensors

__all__ = ["load"]

WAY_OUT = "repair or remove what is listed"
SCALE = 1 / 255


@dataclass(frozen=True)
class Listed:
    """A file, and what its place says of it; ``label`` is "" where a column does."""

    path: Path
    place: str
    label: str
    split: str


@dataclass(frozen=True)
class Piece:
    """Rows ``start`` to ``stop`` of a file that windows may lie in, all of one recording and label."""

    start: int
    stop: int
    label: str
    targets: Floats  #: ``(windows, targets)``
    group: str
    split: str
    low: Floats  #: of each channel, in the rows that windows use
    high: Floats
    windows: int


def load(params: Data, task: str) -> Source:
    """All windows of the recordings in ``data.folder``.

    Raises:
        DataError: no folder, or tables that cannot be used: all of them at once.
    """
    sensors = params.sensors
    assert sensors is not None  # params.yaml is refused without
    if task == "multilabel" or (task == "regression" and not sensors.label):
        raise DataError(
            f"data.sensors: task.kind: {task} is not possible with "
            + (
                "data.source: sensors; choose classification, regression or anomaly"
                if task == "multilabel"
                else 'data.sensors.label: ""; name the columns of the targets, separated by commas'
            )
        )
    faults = Faults(f"data.folder: {params.folder}")
    files = list(_files(params.folder, sensors, faults))
    found = {file: _judged(file, sensors, task, faults) for file in files}
    faults.refuse(WAY_OUT)
    all_pieces = [piece for file in files for piece in found[file]]
    classes = targets_of(sensors, task) or in_order({piece.label for piece in all_pieces})
    labels = _labels(all_pieces, classes, task)
    groups = [piece.group for piece in all_pieces for _ in range(piece.windows)]
    split = [piece.split for piece in all_pieces for _ in range(piece.windows)]
    drawn = rehearse(params, task, labels, classes, where=faults.where, groups=groups, split=split)
    owner = np.repeat(np.arange(len(all_pieces)), [piece.windows for piece in all_pieces])
    trained = [all_pieces[number] for number in np.unique(owner[drawn["train"].images.indices])]
    low, high = _bounds(sensors, trained)
    into, beyond = (
        Spool((sensors.window, 1, len(sensors.channels))),
        np.zeros(len(sensors.channels), np.int64),
    )
    for file in files:
        values = read(file.path, sensors, task).values
        for piece in found[file]:
            windows = cut(values[piece.start : piece.stop], sensors.window, sensors.hop)
            beyond += np.count_nonzero((windows < low) | (windows > high), axis=(0, 1))
            into.add(codes(windows, low, high)[:, :, np.newaxis])
    return source(
        into.done(), labels, scale=SCALE, classes=classes, where=faults.where, groups=groups, split=split,
        features=_described(sensors, low, high, beyond / (len(labels) * sensors.window)),
    )  # fmt: skip


def _files(folder: str, sensors: Sensors, faults: Faults) -> Iterator[Listed]:
    path = Path(folder).expanduser()
    if not sensors.label:
        found = list(placed(top(folder), faults))
        classes_of(found, path)
        for split, name, files in found:
            for file in files:
                yield Listed(file, file.relative_to(path).as_posix(), name, split)
    elif path.is_file():
        yield Listed(path, path.name, "", "")
    else:
        files = sorted(file for file in top(folder).rglob("*.csv") if file.name[0] != ".")
        if not files:
            raise DataError(f"data.folder: {folder} holds no .csv file; put the recordings there")
        for file in files:
            yield Listed(file, file.relative_to(path).as_posix(), "", "")


def _judged(file: Listed, sensors: Sensors, task: str, faults: Faults) -> list[Piece]:
    """The pieces of one file that hold a window at least; what is wrong with it goes into ``faults``."""
    if file.path.suffix.lower() != ".csv":
        faults.add(file.place, "its name does not end in .csv")
        return []
    try:
        table = read(file.path, sensors, task)
        stretches = pieces(table, sensors)
        made = [
            _piece(table, start, stop, windows, file, sensors)
            for start, stop in stretches
            if (windows := count(stop - start, sensors.window, sensors.hop))
        ]
    except Unusable as error:
        for reason in error.args:
            faults.add(file.place, reason)
        return []
    except (Ungrouped, OSError) as error:
        faults.add(file.place, error)
        return []
    if not made:
        longest = max(stop - start for start, stop in stretches)
        faults.add(
            file.place,
            f"too short: a window has {sensors.window} rows, but no piece of it more than {longest}",
        )
    return made


def _piece(table: Table, start: int, stop: int, windows: int, file: Listed, sensors: Sensors) -> Piece:
    recording = str(table.recording[start]) if table.recording is not None else file.path.name
    group = f"{file.place} {recording}" if table.recording is not None else file.place
    if sensors.group:
        group = group_of(sensors.group, recording, "data.sensors.group")
    used = table.values[start : start + (windows - 1) * sensors.hop + sensors.window]
    targets = np.zeros((windows, 0))
    if table.targets is not None:
        targets = cut(table.targets[start:stop], sensors.window, sensors.hop).mean(axis=1)
    label = file.label if table.label is None else str(table.label[start])
    return Piece(start, stop, label, targets, group, file.split, used.min(axis=0), used.max(axis=0), windows)


def _labels(found: list[Piece], classes: tuple[str, ...], task: str) -> Labels:
    if task == "regression":
        return np.concatenate([piece.targets for piece in found]).astype(np.float32)
    return np.array([classes.index(piece.label) for piece in found for _ in range(piece.windows)], np.int64)


def _bounds(sensors: Sensors, trained: list[Piece]) -> tuple[Floats, Floats]:
    """``low`` and ``high`` of every channel, float64 ``(channels,)``.

    Raises:
        DataError: a channel whose bounds are to be measured never changes.
    """
    low = np.min([piece.low for piece in trained], axis=0)
    high = np.max([piece.high for piece in trained], axis=0)
    for number, (name, channel) in enumerate(sensors.channels.items()):
        if channel.low is not None and channel.high is not None:
            low[number], high[number] = channel.low, channel.high
        elif low[number] == high[number]:
            raise DataError(
                f"data.sensors.channels.{name}: it must change in the training split, where its bounds are measured, "
                f"but is always {low[number]:g}; leave the channel out, or state low and high"
            )
    return low, high


def _described(
    sensors: Sensors, low: Floats, high: Floats, beyond: npt.NDArray[np.float64]
) -> Mapping[str, Any]:
    """What the codes mean, and the share of values that lie beyond the bounds, for the data card."""
    return {
        "kind": "windows",
        "rate_hz": sensors.rate,
        "window_rows": sensors.window,
        "hop_rows": sensors.hop,
        "code": "round(255 clamp((value - low) / (high - low), 0, 1))",
        "channels": {
            name: {
                "low": float(low[number]),
                "high": float(high[number]),
                "bounds": "measured in the training split" if channel.low is None else "stated",
                "beyond": round(float(beyond[number]), 4),
            }
            for number, (name, channel) in enumerate(sensors.channels.items())
        },
    }
