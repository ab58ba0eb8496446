"""Everything that is wrong with a data set, told at once: the first few of it, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgebuild.errors import DataError

__all__ = ["Faults"]

SHOWN = 20


@dataclass
class Faults:
    """What is wrong in ``where``, gathered while everything is looked at."""

    where: str
    count: int = 0
    lines: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, place: object, why: object) -> None:
        """``place`` (a file, a line of a table) cannot be used, because ``why``."""
        self.count += 1
        if self.count <= SHOWN:
            self.lines.append(f"  {place}: {why}")

    def refuse(self, way_out: str) -> None:
        """Raise if there is anything wrong.

        Raises:
            DataError: with the first 20 faults and their number.
        """
        if not self:
            return
        more = [f"  … and {self.count - SHOWN} more"] if self.count > SHOWN else []
        number = "one fault" if self.count == 1 else f"{self.count} faults"
        raise DataError("\n".join([f"{self.where}: {number}; {way_out}", *self.lines, *more]))
