"""What was measured of every file, and of ours against each rival's, as plain records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgebuild.measure.accuracy import Z95, agreement, predicted, wilson

__all__ = ["Judgement", "Pair", "Row", "Spread", "compare", "judge", "paired_interval", "spread"]

Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Spread:
    """A median over interleaved rounds with its quartiles: latencies in microseconds, or ratios."""

    median: float
    q25: float
    q75: float
    rounds: int


@dataclass(frozen=True)
class Judgement:
    """The answers of one file on the first ``images`` test images; fractions."""

    images: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    agreement_with_float: float
    accuracy_drop: float


@dataclass(frozen=True)
class Row:
    """One file of one tool. What could not be measured is None, and ``error`` or ``not_timed`` says why."""

    network: str
    id: str
    tool: str
    format: str
    precision: str
    is_ours: bool
    convert_s: float | None
    size_bytes: int | None
    gzip_bytes: int | None
    judgement: Judgement | None
    p50_us: Spread | None
    error: str | None
    not_timed: str | None


@dataclass(frozen=True)
class Pair:
    """Ours against a rival's file in the same format: ratios below 1 are in our favour.

    ``accuracy_gain`` is ours minus theirs on the same images, a fraction, with
    its 95% interval.
    """

    network: str
    ours: str
    rival: str
    bytes: float | None
    gzip_bytes: float | None
    p50: Spread | None
    accuracy_gain: float | None
    accuracy_gain_ci95: tuple[float, float] | None


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles, linearly interpolated, of at least one value."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return Spread(round(float(middle), 4), round(float(low), 4), round(float(high), 4), len(values))


def judge(logits: npt.NDArray[np.floating], reference: npt.NDArray[np.floating], labels: Labels) -> Judgement:
    """``logits`` are those of the first images; ``reference`` and ``labels`` may go on.

    Raises:
        Finding: logits that are not finite or of another shape.
    """
    count = len(logits)
    right = int(np.sum(predicted(logits) == labels[:count]))
    right_before = int(np.sum(predicted(reference[:count]) == labels[:count]))
    return Judgement(
        count,
        right / count,
        wilson(right, count),
        agreement(logits, reference[:count]),
        (right_before - right) / count,
    )


def paired_interval(ours: npt.NDArray[np.bool_], theirs: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Difference of two accuracies on the same images, and its 95% interval: (gain, low, high).

    Both are "is it right", ``(n,)``. Only images on which they differ tell the
    two apart: the interval is Agresti and Min's ("Simple improved confidence
    intervals for comparing matched proportions", Statistics in Medicine 24,
    2005), Wald's with half an observation added to each cell of the 2×2 table,
    which keeps its coverage where few images differ.
    """
    count = len(ours)
    gained, lost = int(np.sum(ours & ~theirs)), int(np.sum(~ours & theirs))
    total, plus, minus = count + 2, gained + 0.5, lost + 0.5
    centre = (plus - minus) / total
    half = Z95 * math.sqrt((plus + minus) - (plus - minus) ** 2 / total) / total
    return (gained - lost) / count, centre - half, centre + half


def compare(
    ours: Row, rival: Row, rounds: Mapping[str, Sequence[float]], logits: Mapping[str, Path], labels: Labels
) -> Pair:
    """Put ``ours`` beside ``rival``; latencies are compared round by round, so that a slow moment hits both."""
    ratios = (
        [one / other for one, other in zip(rounds[ours.id], rounds[rival.id], strict=True)]
        if (ours.p50_us and rival.p50_us)
        else []
    )
    gain: tuple[float, float, float] | None = None
    if ours.judgement and rival.judgement:
        count = min(ours.judgement.images, rival.judgement.images)
        one, other = (np.load(logits[row.id])[:count] for row in (ours, rival))
        gain = paired_interval(predicted(one) == labels[:count], predicted(other) == labels[:count])
    return Pair(
        ours.network,
        ours.id,
        rival.id,
        _ratio(ours.size_bytes, rival.size_bytes),
        _ratio(ours.gzip_bytes, rival.gzip_bytes),
        spread(ratios) if ratios else None,
        gain[0] if gain else None,
        gain[1:] if gain else None,
    )


def _ratio(ours: int | None, theirs: int | None) -> float | None:
    return round(ours / theirs, 4) if ours and theirs else None
