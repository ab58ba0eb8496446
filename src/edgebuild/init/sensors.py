"""Recordings of sensors: tables with a row per moment, in a folder per class or with a column for the class."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebuild.errors import UsageError
from edgebuild.init.choice import Choice
from edgebuild.init.tables import GROUPS, LABELS, Table, are_numbers, read

if TYPE_CHECKING:
    from edgebuild.init.data import Data

__all__ = ["folder", "is_table", "table"]

#: What columns are called, lower case.
TIMES = ("time", "time_s", "t", "seconds", "timestamp", "timestamp_s")
RECORDINGS = ("recording", "session", "trial", "run", "id")
#: Rows that a network sees at once, at most, and how far the next window is.
WINDOW, HOPS = 128, 2
#: Files that are read to count windows; of more, the rest is taken to be like these.
SAMPLE = 100
MOST_CHANNELS = 64


def is_table(found: Table) -> bool:
    """Whether these are readings over time."""
    return bool(found.called(TIMES)) and len(_channels(found)) > 0


def folder(path: Path, given: str, classes: Mapping[str, Sequence[Path]], task: str | None) -> Data:
    """Class folders of CSV files, one a recording.

    Raises:
        UsageError: the tables have no columns of numbers.
    """
    from edgebuild.init.data import placed

    files = [file for members in classes.values() for file in members]
    tables = [read(file) for file in files[:: max(len(files) // SAMPLE, 1)]]
    if not _channels(tables[0]):
        raise UsageError(
            f"--data {given}: {files[0].name} has no column of numbers to see; it has {', '.join(tables[0].columns)}"
        )
    window = min(WINDOW, max(min(found.count for found in tables), 2))
    section = _section(tables[0], window, "")
    mean = statistics.mean(_windows(found.count, section) for found in tables)
    what = f"{len(files):,} recordings (CSV) in {len(classes)} class folders"
    return _data(given, section, round(mean * len(files)), tuple(classes), task, what, placed(path))


def table(found: Table, given: str, task: str | None) -> Data:
    """One table of all recordings, with a column for the class or for what is to be predicted.

    Raises:
        UsageError: there is no such column.
    """
    label = found.called(LABELS)
    if not label:
        raise UsageError(
            f"--data {given}: the readings have no column that says what they are; it has {', '.join(found.columns)}; "
            f"call it label"
        )
    is_class = task in ("classification", "anomaly") or (task is None and not _are_fractions(found, label))
    window = min(WINDOW, max(found.count // 10, 2))
    section = _section(found, window, label)
    classes = tuple(sorted(set(found.columns[label]))) if is_class else (label,)
    kind = task or ("classification" if is_class else "regression")
    numbers = () if is_class else tuple(map(float, found.columns[label]))
    what = f"{found.count:,} rows of readings in {given}"
    return _data(given, section, _windows(found.count, section), classes, kind, what, frozenset(), numbers)


def _data(
    given: str, section: dict[str, Any], count: int, classes: tuple[str, ...], task: str | None, what: str,
    placed: frozenset[str], numbers: tuple[float, ...] = (),
) -> Data:  # fmt: skip
    from edgebuild.init.data import Data, kind_of

    channels, window = list(section["channels"]), section["window"]
    time = f"column {section['time']}" if section["time"] else "no column of time: set data.sensors.rate"
    return Data(
        "sensors",
        given,
        count,
        classes,
        (window, 1, len(channels)),
        {"sensors": section},
        placed,
        task or kind_of(classes),
        targets={classes[0]: numbers} if numbers else {},
        choices=(
            Choice("data", what, ", ".join(classes)),
            Choice("sensors", f"{', '.join(channels)} at {section['rate']:g} Hz", time),
            Choice("windows", f"{window} rows, one every {section['hop']}", f"about {count:,} of them"),
        ),
    )


def _section(found: Table, window: int, label: str) -> dict[str, Any]:
    time = found.called(TIMES)
    return {
        "rate": _rate(found.columns[time]) if time else 1.0,
        "window": window,
        "hop": max(window // HOPS, 1),
        "channels": {name: {} for name in _channels(found)},
        "time": time,
        "label": label,
        "recording": found.called(RECORDINGS) if label else "",
        "group": "",
        "gaps": "refuse",
    }


def _rate(times: Sequence[str]) -> float:
    """Rows per second, of the median step."""
    values = [float(value) for value in times if value.strip()]
    steps = [after - before for before, after in pairwise(values) if after > before]
    return float(f"{1 / statistics.median(steps):.4g}") if steps else 1.0


def _channels(found: Table) -> list[str]:
    others = {found.called(names) for names in (TIMES, RECORDINGS, LABELS, GROUPS)}
    numbers = [name for name, values in found.columns.items() if name not in others and are_numbers(values)]
    return numbers[:MOST_CHANNELS]


def _windows(rows: int, section: Mapping[str, Any]) -> int:
    return max(int((rows - section["window"]) // section["hop"]) + 1, 0)


def _are_fractions(found: Table, name: str) -> bool:
    return are_numbers(found.columns[name]) and any("." in value for value in found.columns[name])
