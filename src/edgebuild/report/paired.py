"""Two models on the same images: where only one of them is right, and whether that can be chance."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from edgebuild.measure.accuracy import predicted

__all__ = ["SIGNIFICANT", "Paired", "pair", "provable"]

#: Below it a difference is called proven.
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Paired:
    """Images that only one of two models gets right."""

    lost: int  #: the reference is right and the other wrong
    gained: int  #: the other way round

    @property
    def p(self) -> float:
        """The two-sided p-value of McNemar's test in its exact form.

        If both models were equally good, each image that only one gets right
        would be a fair coin: Q. McNemar, "Note on the Sampling Error of the
        Difference Between Correlated Proportions or Percentages",
        Psychometrika 12, 1947, with the binomial distribution instead of its
        approximation.
        """
        thrown = self.lost + self.gained
        tail = sum(comb(thrown, count) for count in range(min(self.lost, self.gained) + 1))
        return float(min(1.0, 2 * tail / 2**thrown))

    @property
    def worse(self) -> bool:
        """Is the other model proven to be worse than the reference?"""
        return self.lost > self.gained and self.p < SIGNIFICANT


def pair(
    reference: npt.NDArray[np.floating], other: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> Paired:
    """Compare logits, float ``(n, classes)`` each, on labels, int ``(n,)``."""
    one, two = predicted(reference) == labels, predicted(other) == labels
    return Paired(lost=int(np.sum(one & ~two)), gained=int(np.sum(two & ~one)))


def provable() -> int:
    """The fewest images that must be lost, with none gained, before a loss is proven."""
    lost = 1
    while not Paired(lost, 0).worse:
        lost += 1
    return lost
