"""The quality of a model and what it loses against another one, each with the interval that the examples allow.

What is compared are the answers to the same examples, wherever they are at hand:
then only those count that one model gets right and the other does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgebuild.gates.intervals import independent_drop, p_from_interval
from edgebuild.gates.results import Results
from edgebuild.measure.accuracy import wilson
from edgebuild.measure.paired import Interval, mcnemar, paired_drop, quantile

__all__ = ["Loss", "loss", "quality"]

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Loss:
    """How much quality a second model loses against a first, a share; negative where it gains.

    ``equal`` is the p-value that both are equally good where a test of its own gives it, and ``same`` says
    that they cannot be told apart at all.
    """

    found: float
    interval: Interval
    note: str
    equal: float | None = None
    same: bool = False

    def p(self, value: float, confidence: float) -> float:
        """The two-sided p-value that the true loss is ``value``."""
        if value == 0 and self.equal is not None:
            return self.equal
        return p_from_interval(self.found, self.interval, value, confidence)


def quality(results: Results, name: str, confidence: float) -> tuple[float, Interval]:
    """The quality of ``name`` and its interval.

    Wilson's where it is a share of examples; otherwise the task's own, which the
    summary has at 95%, stretched to ``confidence`` as if it were normal.
    """
    z, entry = quantile(confidence), results.variants[name]
    if results.counted:
        count, total = results.share(name, "accuracy")
        return count / total, wilson(count, total, z)
    found = float(entry["accuracy"])
    stretch = z / quantile(0.95)
    low, high = (found + stretch * (end - found) for end in entry["accuracy_ci95"])
    return found, (max(0.0, low), min(1.0, high))


def loss(first: Results, one: str, second: Results, two: str, confidence: float) -> Loss:
    """What variant ``two`` of ``second`` loses against variant ``one`` of ``first``, which may be the same build."""
    if first.test_set != second.test_set:
        return _unpaired(first, one, second, two, confidence, "other test examples")
    if first.answers and second.answers:
        right, other = first.right(one), second.right(two)
        if right is None or other is None:
            found = quality(first, one, confidence)[0] - quality(second, two, confidence)[0]
            differences = first.resampled(one) - second.resampled(two)
            return _normal(
                found, float(np.std(differences, ddof=1)), "by resampling the examples", confidence
            )
        if right.ndim == 1:
            lost, gained = int(np.sum(right & ~other)), int(np.sum(other & ~right))
            return _counted(lost, gained, len(right), confidence)
        return _decisions(right, other, confidence)
    if first is second and first.kind == "classification":
        return _widest(first, one, two, confidence)
    return _unpaired(
        first, one, second, two, confidence, "not all predictions are here (dvc pull brings them)"
    )


def _counted(lost: int, gained: int, total: int, confidence: float) -> Loss:
    return Loss(
        (lost - gained) / total,
        paired_drop(lost, gained, total, confidence),
        f"loses {lost} and gains {gained} of {total:,} examples",
        equal=mcnemar(lost, gained),
        same=lost == gained == 0,
    )


def _decisions(right: Right, other: Right, confidence: float) -> Loss:
    """Several decisions an example, which depend on each other: what is sampled are examples.

    The error is at least that of one decision, because examples without any difference do not exclude one.
    """
    count, kinds = right.shape
    lost = right.mean(axis=1) - other.mean(axis=1)
    error = max(float(np.std(lost, ddof=1)) / math.sqrt(count), 1 / (count * kinds))
    worse, better = int(np.sum(right & ~other)), int(np.sum(other & ~right))
    note = f"loses {worse} and gains {better} of {count * kinds:,} decisions"
    return _normal(float(lost.mean()), error, note, confidence, same=worse == better == 0)


def _normal(found: float, error: float, note: str, confidence: float, same: bool = False) -> Loss:
    wide = quantile(confidence) * error
    return Loss(found, (found - wide, found + wide), note, same=same or found == error == 0)


def _widest(results: Results, one: str, two: str, confidence: float) -> Loss:
    """Without the answers: the summary says on how many examples those of ``two`` and of the reference differ.

    At most on these only one of the two is right, which makes the interval wider than it has to be.
    """
    correct, total = results.share(two, "accuracy")
    difference = results.share(one, "accuracy")[0] - correct
    between = total - results.share(two, "agreement_with_reference")[0]
    between -= (between - difference) % 2
    widest = _counted((between + difference) // 2, (between - difference) // 2, total, confidence)
    note = "widest interval that the summary admits: the predictions are not here (dvc pull brings them)"
    return Loss(widest.found, widest.interval, note)


def _unpaired(first: Results, one: str, second: Results, two: str, confidence: float, why: str) -> Loss:
    (before, wide), (after, other) = quality(first, one, confidence), quality(second, two, confidence)
    interval = independent_drop(before, wide, after, other)
    return Loss(before - after, interval, f"unpaired, which sees less: {why}")
