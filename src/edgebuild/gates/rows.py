"""Verdicts and changes as rows of text, which every format shows: one wording for all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from edgebuild.gates.quantity import QUANTITIES
from edgebuild.gates.regression import Change
from edgebuild.gates.verdict import Verdict
from edgebuild.measure.paired import Interval

__all__ = ["Checked", "Row"]

NONE = "–"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    ``cells`` are those between variant, figure and verdict. ``good`` is neither failed nor in doubt, ``unknown``
    was not measured or not compared.
    """

    variant: str
    what: str
    cells: tuple[str, ...]
    outcome: str
    note: str
    fails: bool
    good: bool
    unknown: bool

    @property
    def sentence(self) -> str:
        """The line where there are no columns."""
        figures = ", ".join(cell for cell in (*self.cells, self.note) if cell not in ("", NONE))
        return f"{self.variant}, {self.what}: {self.outcome}" + (f" ({figures})" if figures else "")


@dataclass(frozen=True)
class Checked:
    """Everything that a check found.

    ``against`` is the revision of ``changes``, None where there was none to compare with; ``quality`` says in
    words what the task calls its accuracy.
    """

    verdicts: tuple[Verdict, ...]
    changes: tuple[Change, ...]
    against: str | None
    quality: str

    @property
    def failed(self) -> bool:
        return any(row.fails for row in self.rows)

    @property
    def budgets(self) -> list[Row]:
        """With cells limit, found, interval, margin."""
        return [_verdict(verdict, self.quality) for verdict in self.verdicts]

    @property
    def compared(self) -> list[Row]:
        """With cells before, now, worse by, interval, p."""
        return [_change(change, self.quality) for change in self.changes]

    @property
    def rows(self) -> list[Row]:
        return [*self.budgets, *self.compared]

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        parts = []
        if self.verdicts:
            failed = sum(verdict.fails for verdict in self.verdicts)
            count = len(self.verdicts)
            parts.append(f"{failed} of {count} budgets failed" if failed else f"{count} budgets kept")
            doubtful = Counter(row.outcome for row in self.budgets if not row.fails and not row.good)
            if doubtful:
                parts[-1] += f" ({', '.join(f'{count} {what}' for what, count in sorted(doubtful.items()))})"
        if self.against is not None:
            worse = sum(change.fails for change in self.changes)
            parts.append(
                f"{worse} of {len(self.changes)} figures worse than {self.against}"
                if worse
                else f"nothing worse than {self.against}"
            )
        return "; ".join(parts)


def _verdict(of: Verdict, quality: str) -> Row:
    quantity = of.quantity
    cells = (
        quantity.limit(of.limit),
        NONE if of.found is None else quantity.write(of.found),
        _interval(of.interval, quantity.write),
        NONE if of.margin is None else quantity.difference(of.margin),
    )
    what = quality if of.what == "accuracy" else quantity.title
    good, unknown = of.outcome == "passed", of.outcome == "not measured"
    return Row(of.variant, what, cells, of.outcome, of.note, of.fails, good, unknown)


def _change(of: Change, quality: str) -> Row:
    quantity = QUANTITIES[of.what]
    by = QUANTITIES["drop"].difference if of.what == "accuracy" else _growth
    cells = (
        NONE if of.before is None else quantity.write(of.before),
        NONE if of.now is None else quantity.write(of.now),
        NONE if of.by is None else by(of.by),
        _interval(of.interval, by),
        NONE if of.p is None else "< 0.001" if of.p < 0.001 else f"{of.p:.3f}",
    )
    what = quality if of.what == "accuracy" else quantity.title
    unknown = of.judgement == "not compared"
    good = not of.fails and not unknown and (of.judgement != "not significant" or (of.by or 0.0) <= 0)
    return Row(of.variant, what, cells, of.judgement, of.note, of.fails, good, unknown)


def _interval(ends: Interval | None, write: Callable[[float], str]) -> str:
    if ends is None:
        return NONE
    low, high = (("∞" if math.isinf(end) else write(end)) for end in ends)
    return f"{low} … {high}"


def _growth(value: float) -> str:
    return f"{100 * value:+z.1f} %".replace("-", "−")
