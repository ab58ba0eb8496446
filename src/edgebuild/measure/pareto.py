"""Accuracy against a cost: the points of a trade-off, and which of them nothing beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Point", "front", "points"]


@dataclass(frozen=True)
class Point:
    """One variant in a trade-off: ``cost`` is a size or a time; accuracy and its interval are fractions."""

    id: str
    format: str
    precision: str
    cost: float
    accuracy: float
    low: float
    high: float

    @property
    def model(self) -> str:
        return self.id.removesuffix(f"-{self.format}-{self.precision}")


def points(summary: Mapping[str, Any], latency: Mapping[str, Any] | None = None) -> list[Point]:
    """The variants of metrics/summary.json with their size in KiB, or with their p50 in µs.

    Given ``latency`` (metrics/latency.json), variants that were not run are left out.
    """
    if latency is None:
        costs = {entry["id"]: entry["size_bytes"] / 1024 for entry in summary["variants"]}
    else:
        timed = (entry for entry in latency["variants"] if entry["latency_us"] is not None)
        costs = {entry["id"]: entry["latency_us"]["p50"] for entry in timed}
    return [
        Point(
            entry["id"],
            entry["format"],
            entry["precision"],
            costs[entry["id"]],
            entry["accuracy"],
            *entry["accuracy_ci95"],
        )
        for entry in summary["variants"]
        if entry["id"] in costs
    ]


def front(given: Sequence[Point]) -> list[Point]:
    """The Pareto front, cheapest first: those that no other point beats in cost and accuracy at once."""
    best: list[Point] = []
    for point in sorted(given, key=lambda point: (point.cost, -point.accuracy, point.id)):
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return best
