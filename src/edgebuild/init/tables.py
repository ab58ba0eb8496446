"""Data that one file describes: a table of images (CSV, Parquet) or arrays (.npz)."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.errors import UsageError
from edgebuild.init import images
from edgebuild.init.choice import Choice

if TYPE_CHECKING:
    from edgebuild.init.data import Data

__all__ = ["GROUPS", "LABELS", "Table", "are_numbers", "of_file", "read"]

#: What columns are called, lower case.
PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "img")
LABELS = ("label", "class", "category", "labels", "tags", "target")
SPLITS = ("split", "subset", "fold", "set")
GROUPS = ("group", "speaker", "subject", "person", "patient", "recording", "user")
#: Rows that decide what a column holds.
ROWS = 2000

Shape = tuple[int, int, int] | None


@dataclass(frozen=True)
class Table:
    """The columns of a table, each with the texts of its first rows, and the count of all rows."""

    columns: Mapping[str, Sequence[str]]
    count: int

    def called(self, names: Sequence[str]) -> str:
        """The first column that has one of the names, or ""."""
        lower = {column.lower(): column for column in reversed(list(self.columns))}
        return next((lower[name] for name in names if name in lower), "")


def of_file(path: Path, given: str, task: str | None, shape: Shape) -> Data | None:
    """What a single file is; None if it is none of these.

    Raises:
        UsageError: it is damaged, or its columns or arrays do not tell what they are.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _arrays(path, given, task)
    if suffix not in (".csv", ".parquet"):
        return None
    from edgebuild.init import sensors

    table = read(path)
    if sensors.is_table(table) and not _image_column(table):
        return sensors.table(table, given, task)
    folder, _, name = given.rpartition("/")
    if not folder:
        raise UsageError(
            f"--data {given}: the table lies beside dvc.yaml, and the whole folder would be its data; put it into the "
            f"folder of its images, and name it there"
        )
    return _manifest(path, folder, name, table, task, shape)


def read(path: Path) -> Table:
    """Columns and first rows of a CSV or Parquet file.

    Raises:
        UsageError: it is empty, damaged or not text.
    """
    try:
        if path.suffix.lower() == ".parquet":
            from pyarrow import parquet

            file = parquet.ParquetFile(path)
            batch = next(file.iter_batches(batch_size=ROWS))
            columns = {name: [str(value) for value in values] for name, values in batch.to_pydict().items()}
            return Table(columns, file.metadata.num_rows)
        with path.open(newline="", encoding="utf-8-sig") as text:
            rows = csv.reader(text)
            names = next(rows)
            first = [row for row, _ in zip(rows, range(ROWS), strict=False)]
            count = len(first) + sum(1 for row in rows if row)
    except (OSError, ValueError, StopIteration, csv.Error) as error:
        detail = str(error) or "it has no rows"
        raise UsageError(f"--data: {path.name} cannot be read as a table: {detail}") from None
    columns = {
        name: [row[index] if index < len(row) else "" for row in first] for index, name in enumerate(names)
    }
    return Table(columns, count)


def _manifest(path: Path, folder: str, name: str, table: Table, task: str | None, shape: Shape) -> Data:
    from edgebuild.init.data import Data

    column = table.called(PATHS) or next(
        (key for key in table.columns if _are_images(table.columns[key])), ""
    )
    if not column:
        raise UsageError(
            f"--data {folder}/{name}: no column names image files; it has {', '.join(table.columns)}; call it path"
        )
    split, group, label = table.called(SPLITS), table.called(GROUPS), table.called(LABELS)
    rest = [key for key in table.columns if key not in (column, split, group)]
    chosen = [label] if label else [key for key in rest if are_numbers(table.columns[key])]
    if not chosen:
        raise UsageError(
            f"--data {folder}/{name}: no column holds labels or numbers to predict; it has {', '.join(table.columns)}; "
            f"call it label"
        )
    kind = task or _task([table.columns[key] for key in chosen])
    classes = (
        tuple(sorted(set(table.columns[label]))) if kind == "classification" and label else tuple(chosen)
    )
    if kind == "classification" and len(classes) < 2:
        raise UsageError(
            f"--data {folder}/{name}: column {label} has one class, {classes[0]!r}; two are required"
        )
    found = images.size([path.parent / entry for entry in table.columns[column]], shape)
    height, width, channels = found.shape
    return Data(
        "manifest",
        folder,
        table.count,
        classes,
        found.shape,
        {
            "image": {"height": height, "width": width, "channels": channels, "fit": "crop"},
            "manifest": {
                "file": name,
                "path": column,
                "label": ",".join(chosen),
                "split": split,
                "group": group,
            },
        },
        placed=frozenset(table.columns.get(split, ())) - {""},
        task=kind,
        targets={key: tuple(map(float, table.columns[key])) for key in chosen}
        if kind == "regression"
        else {},
        choices=(
            Choice("data", f"{table.count:,} images in {name}", f"columns {column}, {', '.join(chosen)}"),
            Choice("image size", f"{height}×{width}×{channels}", found.why),
        ),
    )


def _image_column(table: Table) -> str:
    named = table.called(PATHS)
    images_in = [key for key in table.columns if _are_images(table.columns[key])]
    return named if named in images_in or not images_in else images_in[0]


def _task(columns: Sequence[Sequence[str]]) -> str:
    """What labels ask for: lists with ``|`` or several columns of 0 and 1, fractions, or classes."""
    values = {value for column in columns for value in column}
    if any("|" in value for value in values) or (len(columns) > 1 and values <= {"0", "1"}):
        return "multilabel"
    numbers = are_numbers(list(values))
    return (
        "regression"
        if len(columns) > 1 or (numbers and any("." in value for value in values))
        else "classification"
    )


def _arrays(path: Path, given: str, task: str | None) -> Data:
    """A .npz with ``images`` and ``labels``: only the headers of the arrays are read."""
    from numpy.lib import format as npy

    from edgebuild.init.data import Data

    headers: dict[str, tuple[tuple[int, ...], str]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    version = npy.read_magic(member)
                    read_header = (
                        npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    )
                    found, _, dtype = read_header(member)
                    headers[name.removesuffix(".npy")] = (found, str(dtype))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"--data {given} cannot be read as .npz: {error}") from None
    if "images" not in headers or "labels" not in headers:
        raise UsageError(
            f"--data {given}: it has the arrays {', '.join(headers) or 'none'}; images and labels are required "
            f"(docs/data.md)"
        )
    (count, *sides), labels = headers["images"][0], headers["labels"]
    sides = [*sides, 1] if len(sides) == 2 else sides
    if len(sides) != 3:
        raise UsageError(
            f"--data {given}: images has the shape {headers['images'][0]}; (n, height, width[, channels]) is required"
        )
    kind = task or (
        "regression" if "float" in labels[1] else "multilabel" if len(labels[0]) == 2 else "classification"
    )
    shape = (sides[0], sides[1], sides[2])
    size = f"{shape[0]}×{shape[1]}×{shape[2]}"
    placed = frozenset({"test"} if "test_images" in headers else ())
    choice = Choice("data", f"{count:,} examples of {size}", "the header of the array images")
    return Data("npz", given, count, (), shape, {}, placed, kind, choices=(choice,))


def _are_images(values: Iterable[str]) -> bool:
    ends = [value.lower().endswith(images.ENDINGS) for value in values]
    return bool(ends) and all(ends)


def are_numbers(values: Sequence[str]) -> bool:
    try:
        return bool(values) and all(float(value) == float(value) for value in values if value.strip())
    except ValueError:
        return False
