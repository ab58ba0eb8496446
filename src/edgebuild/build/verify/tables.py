"""Tables whose rows stand in another order: a ranking by a number that moved is the same table."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

from edgebuild.build.verify.locate import Difference, differences

__all__ = ["by_text"]


def by_text(path: str, committed: Path, rebuilt: Path, difference: Difference) -> Difference:
    """``difference`` of two .csv files, or, where texts in them differ, that of their rows in order of their texts.

    Rows without any text, such as those of epochs, stay as they are.
    """
    if not difference.others:
        return difference
    with tempfile.TemporaryDirectory() as folder:
        sides = []
        for name, file in (("committed", committed), ("rebuilt", rebuilt)):
            sides.append(Path(folder, name))
            _sort(file, sides[-1])
        return differences(path, *sides)


def _sort(source: Path, target: Path) -> None:
    with source.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file) if source.stat().st_size else [[]]
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *sorted(rows, key=_texts)])


def _texts(row: list[str]) -> list[str]:
    return [text for text in row if not _is_number(text)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
