"""Two models on the same examples: what the second loses, and whether that can be chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgebuild.measure.accuracy import predicted
from edgebuild.measure.paired import mcnemar
from edgebuild.tasks.counts import paired_auc

if TYPE_CHECKING:
    from edgebuild.tasks.task import Answers, Labels, Task

__all__ = ["SIGNIFICANT", "Difference", "Paired", "difference", "pair", "provable"]

#: Below it a difference is called proven.
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Paired:
    """Examples that only one of two models gets right."""

    lost: int  #: the reference is right and the other wrong
    gained: int  #: the other way round

    @property
    def p(self) -> float:
        """The p-value of McNemar's test (mid-p), as `edgebuild check` has it."""
        return mcnemar(self.lost, self.gained)

    @property
    def worse(self) -> bool:
        """Is the other model proven to be worse than the reference?"""
        return self.lost > self.gained and self.p < SIGNIFICANT


@dataclass(frozen=True)
class Difference:
    """Quality that the other model loses where no example is simply right or wrong, with the p-value of a test."""

    lost: float  #: a fraction; negative where it gains
    p: float
    test: str  #: in words

    @property
    def worse(self) -> bool:
        """As :attr:`Paired.worse`."""
        return self.lost > 0 and self.p < SIGNIFICANT


def difference(task: Task, reference: Answers, other: Answers, labels: Labels) -> Paired | Difference:
    """McNemar's test where an example is right or wrong; else a test of what the task judges.

    Decisions on one example depend on one another: their share per example is what
    is compared, by a z-test of its mean. AUCs are compared by DeLong's test.
    """
    one, two = task.right(reference, labels), task.right(other, labels)
    if one is None or two is None:
        lost, error = paired_auc(reference[:, 0], other[:, 0], labels)
        return Difference(lost, _two_sided(lost, error), "DeLong’s test")
    if one.ndim == 1:
        return Paired(lost=int(np.sum(one & ~two)), gained=int(np.sum(two & ~one)))
    shares = one.mean(axis=1) - two.mean(axis=1)
    lost, error = float(shares.mean()), float(shares.std(ddof=1)) / math.sqrt(len(shares))
    return Difference(lost, _two_sided(lost, error), "paired z-test over examples")


def pair(
    reference: npt.NDArray[np.floating], other: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> Paired:
    """Compare logits, float ``(n, classes)`` each, on labels, int ``(n,)``."""
    one, two = predicted(reference) == labels, predicted(other) == labels
    return Paired(lost=int(np.sum(one & ~two)), gained=int(np.sum(two & ~one)))


def provable() -> int:
    """The fewest examples that must be lost, with none gained, before a loss is proven."""
    lost = 1
    while not Paired(lost, 0).worse:
        lost += 1
    return lost


def _two_sided(value: float, error: float) -> float:
    """The p-value of a normal deviate; without any spread only no difference at all can be chance."""
    return math.erfc(abs(value) / error / math.sqrt(2)) if error > 0 else float(value == 0)
