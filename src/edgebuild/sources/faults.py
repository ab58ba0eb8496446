"""Everything that is wrong with a data set, told at once: the first few of it, and how many there are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edgebuild.errors import DataError

__all__ = ["Faults"]

SHOWN = 20


@dataclass
class Faults:
    """What is wrong in ``where``, gathered while everything is looked at."""

    where: str
    lines: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lines)

    def add(self, place: object, why: object) -> None:
        """``place`` (a file, a line of a table) cannot be used, because ``why``."""
        self.lines.append(f"{place}: {why}")

    def refuse(self, way_out: str) -> None:
        """Raise if there is anything wrong.

        Raises:
            DataError: with the first 20 faults, in the order of their places, and their number.
        """
        if not self:
            return
        number = "one fault" if len(self.lines) == 1 else f"{len(self.lines)} faults"
        shown = [f"  {line}" for line in sorted(self.lines, key=_by_number)[:SHOWN]]
        more = [f"  … and {len(self.lines) - SHOWN} more"] if len(self.lines) > SHOWN else []
        raise DataError("\n".join([f"{self.where}: {number}; {way_out}", *shown, *more]))


def _by_number(line: str) -> list[tuple[int, str]]:
    """A key by which line 9 comes before line 10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", line)]
