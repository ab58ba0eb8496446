"""Seconds of commands that were run in turns, their ratios, and the targets that these have to meet."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edgebuild.measure.table import Table

__all__ = ["Compared", "Measured", "ratio", "tables", "turns"]


@dataclass(frozen=True)
class Measured:
    """Seconds of each round."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Compared:
    """A target: ``value`` (a ratio, or seconds) must be at most ``limit``, or at least it where ``least``."""

    name: str
    value: float
    low: float
    high: float
    limit: float | None
    least: bool = False
    unit: str = "×"

    @property
    def met(self) -> bool | None:
        """None where there is no target."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit


def turns(rounds: int, tasks: Mapping[str, Callable[[], float]]) -> dict[str, Measured]:
    """Run ``tasks`` in turns; every second round goes backwards."""
    seen: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds):
        for name in tasks if number % 2 == 0 else reversed(list(tasks)):
            seen[name].append(tasks[name]())
        print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return {name: Measured(name, tuple(values)) for name, values in seen.items()}


def ratio(
    name: str, one: Measured, other: Measured, limit: float | None = None, *, least: bool = False
) -> Compared:
    """``one`` divided by ``other``, round by round."""
    ratios = sorted(a / b for a, b in zip(one.seconds, other.seconds, strict=True))
    return Compared(name, statistics.median(ratios), ratios[0], ratios[-1], limit, least)


def tables(measured: Iterable[Measured], compared: Iterable[Compared]) -> list[Table]:
    times = tuple(
        (
            item.name,
            f"{item.median:.2f}",
            f"{min(item.seconds):.2f}–{max(item.seconds):.2f}",
            str(len(item.seconds)),
        )
        for item in measured
    )
    said = {True: "met", False: "MISSED", None: ""}
    targets = tuple(
        (
            item.name,
            "–" if item.limit is None else f"{'≥' if item.least else '≤'} {item.limit:g} {item.unit}",
            f"{item.value:.2f} {item.unit} ({item.low:.2f}–{item.high:.2f})",
            said[item.met],
        )
        for item in compared
    )
    return [
        Table(("time", "median s", "least–most", "rounds"), times, ()),
        Table(("target", "required", "median (least–most)", ""), targets, ()),
    ]
