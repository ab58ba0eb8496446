"""The rows of a CSV or Parquet file, with the number of the line that each stands on."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.errors import DataError

__all__ = ["Row", "columns_of", "read_table"]


@dataclass(frozen=True)
class Row:
    """One row: cells by column (texts of a CSV, values of any type of a Parquet file); ``line`` is for messages."""

    line: int
    cells: Mapping[str, Any]
    surplus: int = 0  #: cells too many (positive) or too few (negative) for the header

    def text(self, column: str) -> str:
        """The cell as text without blanks around it; what is missing is empty."""
        value = self.cells.get(column)
        return "" if value is None else str(value).strip()


def read_table(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and rows of ``path``: comma-separated (.csv), tab-separated (.tsv) or Parquet (.parquet).

    Raises:
        DataError: another ending, no such file, no table, or no rows.
    """
    if path.suffix not in (".csv", ".tsv", ".parquet"):
        raise DataError(
            f"{path}: a table ends in .csv, .tsv or .parquet, but this one in {path.suffix!r}; convert it"
        )
    if not path.is_file():
        raise DataError(f"{path} does not exist; data.manifest.file must name a table in data.folder")
    if path.suffix == ".parquet":
        columns, rows = _parquet(path)
    else:
        columns, rows = _separated(path, "," if path.suffix == ".csv" else "\t")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(
            f"{path}: column names must differ, but {', '.join(twice)} is there twice; rename one"
        )
    if not rows:
        raise DataError(f"{path}: at least one row is required, but there is none")
    return columns, rows


def columns_of(stated: str, there: Iterable[str], key: str, path: Path) -> tuple[str, ...]:
    """The columns that the text ``stated`` of params.yaml names, separated by commas.

    Raises:
        DataError: one is not in the table.
    """
    known = list(there)
    # A name that holds a comma is one name.
    names = (
        (stated,) if stated in known else tuple(name.strip() for name in stated.split(",") if name.strip())
    )
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            raise DataError(
                f"{key}: {path} has no column {name!r}; it has {', '.join(known)}"
                + (f" (did you mean {near[0]}?)" if near else "")
            )
    return names


def _separated(path: Path, delimiter: str) -> tuple[tuple[str, ...], list[Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            columns = tuple(name.strip() for name in next(reader, []))
            rows = [
                Row(reader.line_num, dict(zip(columns, cells, strict=False)), len(cells) - len(columns))
                for cells in reader
                if cells
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table of UTF-8 text ({error}); save it as CSV in UTF-8") from None
    if not columns:
        raise DataError(f"{path} is empty; its first line must name the columns")
    return columns, rows


def _parquet(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is no Parquet file ({' '.join(str(error).split())}); write it again"
        ) from None
    names = tuple(str(name) for name in table.column_names)
    # Rows are counted as lines of a CSV file would be: the header is line 1.
    return names, [Row(line, cells) for line, cells in enumerate(table.to_pylist(), 2)]
