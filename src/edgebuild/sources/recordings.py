"""Tables of sensors, CSV with a heading: read and judged, everything that is wrong with one at once."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgebuild.sources.windows import Floats, runs

if TYPE_CHECKING:
    from edgebuild.params.sensors import Sensors

__all__ = ["Table", "Unusable", "pieces", "read", "targets_of"]

Texts = npt.NDArray[np.str_]


class Unusable(ValueError):
    """A table cannot be used; each argument is one reason, which does not name the file."""


@dataclass(frozen=True)
class Table:
    """The columns that params.yaml names.

    ``values`` is float64 ``(rows, channels)``; ``targets`` float64 ``(rows,
    targets)``; ``time`` float64, ``label`` and ``recording`` texts ``(rows,)``,
    None where there is no such column.
    """

    values: Floats
    targets: Floats | None
    time: Floats | None
    label: Texts | None
    recording: Texts | None

    def __len__(self) -> int:
        return len(self.values)


def targets_of(sensors: Sensors, task: str) -> tuple[str, ...]:
    """The columns of the targets of a regression."""
    return tuple(name.strip() for name in sensors.label.split(",")) if task == "regression" else ()


def read(path: Path, sensors: Sensors, task: str) -> Table:
    """The table in ``path``.

    Raises:
        Unusable: no table, or columns that are missing or hold no numbers.
    """
    channels, targets = tuple(sensors.channels), targets_of(sensors, task)
    time = (sensors.time,) if sensors.time else ()
    texts = tuple(name for name in (sensors.label if not targets else "", sensors.recording) if name)
    heading = _heading(path)
    if missing := [name for name in (*channels, *time, *targets, *texts) if name not in heading]:
        raise Unusable(f"no column {', '.join(missing)}; its columns are {', '.join(heading)}")
    numbers = _numbers(path, heading, (*channels, *targets, *time))
    words = _texts(path, heading, texts) if texts else None
    if not len(numbers):
        raise Unusable("it has a heading, but no rows")
    after = len(channels) + len(targets)
    return Table(
        numbers[:, : len(channels)],
        numbers[:, len(channels) : after] if targets else None,
        numbers[:, after] if time else None,
        words[:, 0] if words is not None and sensors.label and not targets else None,
        words[:, -1] if words is not None and sensors.recording else None,
    )


def pieces(table: Table, sensors: Sensors) -> list[tuple[int, int]]:
    """``(start, stop)`` of the rows that windows may lie in: one recording, one label, and no gap.

    Raises:
        Unusable: times that do not rise, gaps where they are refused, or rows
            that do not come at the rate.
    """
    texts = [column for column in (table.recording, table.label) if column is not None]
    changes = [column[1:] != column[:-1] for column in texts]
    if table.time is None:
        return runs(*changes, rows=len(table))
    step = np.diff(table.time)
    same = np.ones(len(step), bool) if table.recording is None else ~changes[0]
    reasons = []
    if len(back := np.flatnonzero(same & (step <= 0))):
        row = back[0]
        reasons.append(
            f"{sensors.time} must rise from row to row, but is {table.time[row]:.9g} in {_row(row)} and "
            f"{table.time[row + 1]:.9g} in the next{_often(len(back))}"
        )
    found = _rate(step[same & (step > 0)], sensors.rate)
    gap = same & (step > 1.5 / sensors.rate)
    if abs(found / sensors.rate - 1) > 0.02:
        reasons.append(
            f"{found:.6g} rows per second by {sensors.time}, but data.sensors.rate is {sensors.rate:g}; "
            f"resample it, or correct the rate"
        )
    elif sensors.gaps == "refuse" and gap.any():
        row = int(np.flatnonzero(gap)[0])
        reasons.append(
            f"rows are missing after {_row(row)}, where {sensors.time} goes from {table.time[row]:.9g} to "
            f"{table.time[row + 1]:.9g}{_often(int(gap.sum()))}; split the recording, or set data.sensors.gaps: split"
        )
    if reasons:
        raise Unusable(*reasons)
    return runs(*changes, gap, rows=len(table))


def _rate(steps: Floats, stated: float) -> float:
    """Rows per second by the times themselves, but for gaps. A mean: clocks may count in whole milliseconds."""
    if not len(steps):
        return stated
    return float(1 / steps[steps <= 1.5 * np.median(steps)].mean())


def _heading(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unusable(f"no CSV file: {error}") from None
    if not heading:
        raise Unusable("empty file")
    if len(heading) == 1 and (other := next((mark for mark in ";\t|" if mark in heading[0]), None)):
        raise Unusable(f"columns are separated by {other!r}, but must be by commas")
    return [name.strip() for name in heading]


def _numbers(path: Path, heading: list[str], columns: tuple[str, ...]) -> Floats:
    """float64 ``(rows, columns)``."""
    chosen = [heading.index(name) for name in columns]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            next(csv.reader(file))
            table = _load(file, chosen, np.float64)
    except ValueError:  # some cell is no number, or a row is too short: look at each, to name them
        raise Unusable(*_not_numbers(path, columns, chosen)) from None
    bad = ~np.isfinite(table)
    reasons = []
    for name, column in zip(columns, bad.T, strict=True):
        if len(rows := np.flatnonzero(column)):
            value = table[rows[0], columns.index(name)]
            reasons.append(f"{name} is {value} in {_row(int(rows[0]))}{_often(len(rows))}; fill or remove it")
    if reasons:
        raise Unusable(*reasons)
    return table


def _texts(path: Path, heading: list[str], columns: tuple[str, ...]) -> Texts:
    chosen = [heading.index(name) for name in columns]
    with path.open(encoding="utf-8-sig", newline="") as file:
        next(csv.reader(file))
        table = _load(file, chosen, np.str_)
    for name, column in zip(columns, table.T, strict=True):
        if len(empty := np.flatnonzero(np.char.strip(column) == "")):
            raise Unusable(f"{name} is empty in {_row(int(empty[0]))}{_often(len(empty))}")
    return np.asarray(np.char.strip(table), np.str_)


def _load(file: Iterable[str], chosen: list[int], dtype: type) -> npt.NDArray[Any]:
    """The chosen cells of all lines that are not blank, ``(rows, columns)``."""
    lines = (line for line in file if line.strip())
    first = next(lines, None)
    if first is None:
        return np.empty((0, len(chosen)), dtype)
    table: npt.NDArray[Any] = np.loadtxt(
        chain((first,), lines), dtype, None, ",", usecols=chosen, ndmin=2, quotechar='"'
    )
    return table


def _not_numbers(path: Path, columns: tuple[str, ...], chosen: list[int]) -> list[str]:
    found: dict[str, tuple[int, str, int]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for number, row in enumerate(row for row in rows if row):
            for name, at in zip(columns, chosen, strict=True):
                cell = row[at].strip() if at < len(row) else "missing"
                if not _is_number(cell):
                    first, shown, often = found.get(name, (number, cell, 0))
                    found[name] = first, shown, often + 1
    return [
        f"{name} is {shown!r} in {_row(row)}, but must be a number{_often(often)}"
        for name, (row, shown, often) in found.items()
    ]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _row(row: int) -> str:
    return f"row {row + 1}"  # below the heading


def _often(count: int) -> str:
    return f" ({count} such rows)" if count > 1 else ""
