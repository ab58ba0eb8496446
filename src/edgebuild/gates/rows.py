"""Verdicts and changes as rows of text, which every format shows: one wording for all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgebuild.gates.intervals import Interval
from edgebuild.gates.quantity import QUANTITIES
from edgebuild.gates.regression import Change
from edgebuild.gates.verdict import Verdict

__all__ = ["CHANGES", "VERDICTS", "Row", "change", "headline", "verdict"]

VERDICTS = ("variant", "budget", "limit", "found", "interval", "margin", "verdict")
CHANGES = ("variant", "figure", "before", "now", "worse by", "interval", "p", "verdict")
NONE = "–"


@dataclass(frozen=True)
class Row:
    """One line; the first cell is the variant, the last the verdict. ``good`` is neither failed nor in doubt."""

    cells: tuple[str, ...]
    note: str
    fails: bool
    good: bool

    @property
    def sentence(self) -> str:
        """The line where there are no columns."""
        variant, what, *_, outcome = self.cells
        return f"{variant}, {what}: {outcome}" + (f" ({self.note})" if self.note else "")


def verdict(of: Verdict) -> Row:
    quantity = of.quantity
    cells = (
        of.variant,
        quantity.title,
        quantity.limit(of.limit),
        NONE if of.found is None else quantity.write(of.found),
        _interval(of.interval, quantity.write),
        NONE if of.margin is None else _signed(quantity.write(of.margin)),
        of.outcome,
    )
    return Row(cells, of.note, of.fails, good=of.outcome == "passed")


def change(of: Change) -> Row:
    quantity = QUANTITIES[of.what]
    by = _points if of.what == "accuracy" else _growth
    cells = (
        of.variant,
        quantity.title,
        NONE if of.before is None else quantity.write(of.before),
        NONE if of.now is None else quantity.write(of.now),
        NONE if of.by is None else by(of.by),
        _interval(of.interval, by),
        NONE if of.p is None else "< 0.001" if of.p < 0.001 else f"{of.p:.3f}",
        of.judgement,
    )
    return Row(cells, of.note, of.fails, good=of.judgement in ("same", "better", "tolerated"))


def headline(verdicts: Sequence[Verdict], changes: Sequence[Change], against: str | None) -> str:
    """The result in one sentence."""
    parts = []
    if verdicts:
        failed = sum(verdict.fails for verdict in verdicts)
        doubtful = Counter(
            verdict.outcome
            for verdict in verdicts
            if not verdict.fails and verdict.outcome in ("not proven", "not measured")
        )
        parts.append(
            f"{failed} of {len(verdicts)} budgets failed" if failed else f"{len(verdicts)} budgets kept"
        )
        if doubtful:
            parts[-1] += f" ({', '.join(f'{count} {what}' for what, count in sorted(doubtful.items()))})"
    if against is not None:
        worse = sum(change.fails for change in changes)
        parts.append(
            f"{worse} of {len(changes)} figures worse than {against}"
            if worse
            else f"nothing worse than {against}"
        )
    return "; ".join(parts)


def _interval(ends: Interval | None, write: Callable[[float], str]) -> str:
    if ends is None:
        return NONE
    low, high = (("∞" if math.isinf(end) else write(end)) for end in ends)
    return f"{low} … {high}"


def _signed(text: str) -> str:
    return text if text.startswith("−") else f"+{text}"


def _points(value: float) -> str:
    return _signed(QUANTITIES["drop"].write(value))


def _growth(value: float) -> str:
    return _signed(f"{100 * value:z.1f} %".replace("-", "−"))
