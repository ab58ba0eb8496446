"""Pictures that a table lists: a line each with the path, the label and, perhaps, the split and the group."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebuild.data.images import Labels
from edgebuild.errors import DataError
from edgebuild.sources.faults import Faults
from edgebuild.sources.image_folder import top
from edgebuild.sources.pictures import Picture, pictures
from edgebuild.sources.source import SPLIT_NAMES, Source
from edgebuild.sources.table import Row, columns_of, read_table

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["in_order", "load"]

WAY_OUT = "repair or remove the listed lines"
TRUE, FALSE = ("1", "1.0", "true", "True"), ("0", "0.0", "false", "False", "")


def load(params: Data, task: str) -> Source:
    """The pictures of the table, in its order.

    Raises:
        DataError: no such table or column, or lines that cannot be used: all of them at once.
    """
    wanted = params.manifest
    assert wanted is not None  # params.yaml is refused without
    file = top(params.folder) / wanted.file
    names, rows = read_table(file)
    (path,) = _one("path", wanted.path, names, file)
    columns = columns_of(wanted.label, names, "data.manifest.label", file)
    if not columns or (len(columns) > 1 and task in ("classification", "anomaly")):
        raise DataError(
            f"data.manifest.label: task.kind: {task} needs one column, but {wanted.label!r} names {len(columns)}"
        )
    split = _one("split", wanted.split, names, file) if wanted.split else ()
    group = _one("group", wanted.group, names, file) if wanted.group else ()
    faults = Faults(f"data.folder: {params.folder}/{wanted.file}")
    labels, classes = _labels(rows, columns, task, faults)
    listed, seen = [], dict[str, int]()
    for row in rows:
        if row.surplus:
            faults.add(_line(row), f"{len(names)} cells are required, but it has {len(names) + row.surplus}")
        name, of = row.text(path), row.text(split[0]) if split else ""
        if problem := _problem(file.parent, name, of, seen.get(name)):
            faults.add(_line(row), problem)
        seen.setdefault(name, row.line)
        place = f"{_line(row)}, {name}"
        listed.append(
            Picture(file.parent / name, place, split=of, group=row.text(group[0]) if group else None)
        )
    # Files that are not there are named above; the rest is still looked at, so that all is told at once.
    there = [picture for picture in listed if picture.path.is_file()]
    if len(there) < len(listed):
        pictures(params, task, there, labels, classes, faults, WAY_OUT)
    return pictures(params, task, listed, labels, classes, faults, WAY_OUT)


def in_order(names: set[str]) -> tuple[str, ...]:
    """Classes sorted by name, those that are all numbers by their value."""
    if all(name.removeprefix("-").isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _one(key: str, stated: str, names: tuple[str, ...], file: Path) -> tuple[str]:
    found = columns_of(stated, names, f"data.manifest.{key}", file)
    if len(found) != 1:
        raise DataError(f"data.manifest.{key}: one column is required, but {stated!r} names {len(found)}")
    return (found[0],)


def _line(row: Row) -> str:
    return f"line {row.line}"


def _problem(folder: Path, name: str, split: str, before: int | None) -> str:
    if not name:
        return "names no file"
    if split not in ("", *SPLIT_NAMES):
        return f"the split is called {', '.join(SPLIT_NAMES)} or nothing, but here {split!r}"
    if before is not None:
        return f"{name} is listed in line {before} already"
    return "" if (folder / name).is_file() else f"{name} does not exist in the table's folder"


def _labels(
    rows: list[Row], columns: tuple[str, ...], task: str, faults: Faults
) -> tuple[Labels, tuple[str, ...]]:
    if task == "regression":
        values = [[_number(row, column, faults) for column in columns] for row in rows]
        return np.array(values, np.float32), columns
    if task == "multilabel" and len(columns) > 1:
        flags = [[_flag(row, column, faults) for column in columns] for row in rows]
        return np.array(flags, np.int64), columns
    if task == "multilabel":
        sets = [_listed(row.cells.get(columns[0])) for row in rows]
        classes = in_order(set().union(*sets))
        return np.array([[int(name in each) for name in classes] for each in sets], np.int64), classes
    texts = [row.text(columns[0]) for row in rows]
    for row, text in zip(rows, texts, strict=True):
        if not text:
            faults.add(_line(row), f"{columns[0]} is empty; a label is required")
    classes = in_order({*texts} - {""})
    if len(classes) < 2:
        raise DataError(
            f"{faults.where}: column {columns[0]} must hold at least two classes, but holds "
            f"{classes[0] if classes else 'none'}; a classifier of one class has nothing to learn"
        )
    number = {name: index for index, name in enumerate(classes)}
    return np.array([number.get(text, 0) for text in texts], np.int64), classes


def _number(row: Row, column: str, faults: Faults) -> float:
    text = row.text(column)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.add(_line(row), f"{column} must be a finite number, but is {text!r}")
    return value


def _flag(row: Row, column: str, faults: Faults) -> int:
    text = row.text(column)
    if text not in (*TRUE, *FALSE):
        faults.add(_line(row), f"{column} must be 0 or 1, but is {text!r}")
    return int(text in TRUE)


def _listed(cell: object) -> set[str]:
    """The labels of one cell: ``a|b``, or a list, which a Parquet file may hold."""
    parts = cell if isinstance(cell, list) else str("" if cell is None else cell).split("|")
    return {str(part).strip() for part in parts} - {""}
