"""Arithmetic that shows itself: a line's formula is written from the terms that its value is computed from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgebuild.report.numbers import number, usd

__all__ = ["Line", "Term", "missing", "product", "total"]


@dataclass(frozen=True)
class Term:
    """A number and what it counts."""

    value: float
    unit: str

    def __str__(self) -> str:
        if self.unit.startswith("$"):
            return f"${number(self.value)}{self.unit[1:]}"
        return f"{number(self.value)} {self.unit}".strip()


@dataclass(frozen=True)
class Line:
    """``what`` = ``formula`` = ``value`` ``unit``; where ``value`` is None, the formula says why there is none."""

    what: str
    formula: str
    value: float | None
    unit: str
    result: bool = False  #: what the lines before it lead to

    @property
    def amount(self) -> float:
        """The value of a line that has one."""
        if self.value is None:
            raise ValueError(f"{self.what} has no value: {self.formula}")
        return self.value

    @property
    def shown(self) -> str:
        if self.value is None:
            return "–"
        return usd(self.value) if self.unit == "$" else f"{number(self.value)} {self.unit}".strip()

    def term(self, unit: str) -> Term:
        """This line's value in the formula of another."""
        return Term(self.amount, unit)


def product(
    what: str, unit: str, terms: Sequence[Term], over: Sequence[Term] = (), *, result: bool = False
) -> Line:
    """All ``terms`` multiplied, divided by all of ``over``."""
    value = math.prod(term.value for term in terms) / math.prod(term.value for term in over)
    formula = " × ".join(map(str, terms)) + "".join(f" ÷ {term}" for term in over)
    return Line(what, formula, value, unit, result)


def total(what: str, unit: str, terms: Sequence[Term], *, result: bool = False) -> Line:
    """The sum of all ``terms``."""
    return Line(what, " + ".join(map(str, terms)), math.fsum(term.value for term in terms), unit, result)


def missing(what: str, why: str) -> Line:
    """A line that cannot be computed."""
    return Line(what, why, None, "")
