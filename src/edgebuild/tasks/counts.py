"""Figures of one label or one score: precision and recall, F1, average precision, ROC curve, AUC.

Everywhere ``scores`` are float ``(n,)``, more of them speaking for the label, and
``labels`` are ``(n,)`` of 0 and 1.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgebuild.measure.accuracy import Z95

__all__ = [
    "auc",
    "auc_interval",
    "average_precision",
    "f1",
    "paired_auc",
    "partial_auc",
    "precision_recall",
    "roc",
]

Scores = npt.NDArray[np.floating]
Binary = npt.NDArray[np.generic]
Doubles = npt.NDArray[np.float64]


def precision_recall(decided: Binary, labels: Binary) -> tuple[float, float]:
    """The share of decided ones that are right, and of true ones that are found; 0 where there are none."""
    one, two = decided.astype(bool), labels.astype(bool)
    hits = int((one & two).sum())
    return hits / max(int(one.sum()), 1), hits / max(int(two.sum()), 1)


def f1(decided: Binary, labels: Binary) -> float:
    """The harmonic mean of precision and recall."""
    precision, recall = precision_recall(decided, labels)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def average_precision(scores: Scores, labels: Binary) -> float:
    """``Σ (Rᵢ − Rᵢ₋₁)·Pᵢ`` over the distinct scores as thresholds; nothing is interpolated. NaN without a true one."""
    hits, others = _cumulated(scores, labels)
    if not hits[-1]:
        return math.nan
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (hits + others)).sum() / hits[-1])


def roc(scores: Scores, labels: Binary) -> tuple[Doubles, Doubles]:
    """False and true positive rates of "at least this score" for every distinct one, from (0, 0) to (1, 1)."""
    hits, others = _cumulated(scores, labels)
    return (
        np.concatenate([[0.0], others / max(others[-1], 1)]),
        np.concatenate([[0.0], hits / max(hits[-1], 1)]),
    )


def auc(scores: Scores, labels: Binary) -> float:
    """The probability that a 1 scores above a 0, ties counting half (Mann-Whitney): the area under :func:`roc`."""
    return float(_placements(scores, labels)[0].mean())


def partial_auc(scores: Scores, labels: Binary, limit: float) -> float:
    """:func:`auc` against the share ``limit`` of zeros that score highest: in [0, 1], 1 is perfect.

    Koizumi et al. 2020, "Description and Discussion on DCASE2020 Challenge Task
    2", equation 2; at least one of the zeros is taken.
    """
    ones, zeros = _split(scores, labels)
    hardest = np.sort(zeros)[::-1][: max(1, math.floor(limit * len(zeros)))]
    return float(((ones[:, None] > hardest) + 0.5 * (ones[:, None] == hardest)).mean())


def auc_interval(found: float, ones: int, zeros: int, z: float = Z95) -> tuple[float, float]:
    """An interval of an AUC, by default at 95%, that keeps its coverage near 1.

    Newcombe 2006, "Confidence Intervals for an Effect Size Measure Based on the
    Mann-Whitney Statistic. Part 2", method 5: all θ with ``|found − θ| ≤ z·√V(θ)``,
    where ``V(θ) = θ(1−θ)·(1 + N·((1−θ)/(2−θ) + θ/(1+θ))) / (ones·zeros)`` is the variance
    of Hanley and McNeil 1982 with ``N = (ones + zeros)/2 − 1`` for both sizes.
    """
    half = (ones + zeros) / 2 - 1

    def far(theta: float) -> bool:
        spread = 1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(found - theta) > z * math.sqrt(theta * (1 - theta) * spread / (ones * zeros))

    return _edge(far, found, 0.0), _edge(far, found, 1.0)


def paired_auc(one: Scores, other: Scores, labels: Binary) -> tuple[float, float]:
    """AUC of ``one`` minus AUC of ``other`` on the same examples, and the standard error of that.

    DeLong, DeLong and Clarke-Pearson 1988, "Comparing the Areas under Two or More
    Correlated Receiver Operating Characteristic Curves".
    """
    first, second = _placements(one, labels), _placements(other, labels)
    differences = [mine - theirs for mine, theirs in zip(first, second, strict=True)]
    variance = sum(float(part.var(ddof=1)) / len(part) if len(part) > 1 else 0.0 for part in differences)
    return float(differences[0].mean()), math.sqrt(variance)


def _cumulated(scores: Scores, labels: Binary) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ones and zeros that score at least as much as each distinct score, from the highest on."""
    order = np.argsort(-scores, kind="stable")
    ranked, true = scores[order], labels[order].astype(bool)
    last = np.append(ranked[1:] != ranked[:-1], True)
    return np.cumsum(true)[last], np.cumsum(~true)[last]


def _split(scores: Scores, labels: Binary) -> tuple[Doubles, Doubles]:
    true = labels.astype(bool)
    exact = scores.astype(np.float64)
    return exact[true], exact[~true]


def _placements(scores: Scores, labels: Binary) -> tuple[Doubles, Doubles]:
    """For each one the share of zeros below it, and for each zero the share of ones above it; ties count half."""
    ones, zeros = _split(scores, labels)
    return _below(ones, zeros), 1 - _below(zeros, ones)


def _below(values: Doubles, others: Doubles) -> Doubles:
    ranked = np.sort(others)
    sides = (np.searchsorted(ranked, values, side=side) for side in ("left", "right"))
    return np.asarray(sum(sides) / (2 * len(others)), np.float64)


def _edge(far: object, inside: float, outside: float) -> float:
    """Where ``far`` begins between a number that is not far and an end, by bisection; the end where nothing is far."""
    assert callable(far)
    if not far(outside):
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if far(middle) else (middle, outside)
    return inside
