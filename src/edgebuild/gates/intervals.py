"""How sure a finite test set and a finite number of timings make us: intervals, and many tests at once.

Two models on the same examples are compared by `edgebuild.measure.paired`. Closed
forms, so that a check needs no statistics package; `tests/gates` holds them against scipy.
Confidence is that of a two-sided interval: at 0.95 each end is exceeded with
2.5%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgebuild.measure.paired import Interval, quantile

__all__ = [
    "bootstrap_ratio",
    "hochberg",
    "independent_drop",
    "p_from_interval",
    "percentile_error",
]

RESAMPLES = 4000


def independent_drop(first: float, one: Interval, second: float, two: Interval) -> Interval:
    """The interval of how much ``second`` lies below ``first``, from the interval of each: independent estimates.

    With Wilson's intervals of two shares it is method 10 of R. G. Newcombe, "Interval
    estimation for the difference between independent proportions: comparison of
    eleven methods", Statistics in Medicine 17, 1998; with others G. Y. Zou and
    A. Donner, "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27, 2008.
    """
    difference = first - second
    return (
        difference - math.hypot(first - one[0], two[1] - second),
        difference + math.hypot(one[1] - first, second - two[0]),
    )


def p_from_interval(found: float, interval: Interval, value: float, confidence: float) -> float:
    """The two-sided p-value that the true figure is ``value``, as if the estimate were normal.

    The standard error is that of the interval's side on which ``value`` lies, so the p-value is below
    1 - ``confidence`` just where the interval excludes it.
    """
    side = found - interval[0] if value <= found else interval[1] - found
    if side <= 0:
        return 1.0 if found == value else 0.0
    return math.erfc(abs(found - value) * quantile(confidence) / (side * math.sqrt(2)))


def hochberg(values: Sequence[float]) -> tuple[float, ...]:
    """``values``, p-values of one family of tests, adjusted so that a false alarm among all is as rare as in one.

    Y. Hochberg, "A sharper Bonferroni procedure for multiple tests of
    significance", Biometrika 75, 1988. It holds for tests that depend on each
    other positively (S. K. Sarkar, "Some probability inequalities for ordered MTP2
    random variables", Annals of Statistics 26, 1998), as those of files made from
    one network do; and what all files lose alike is not made insignificant by
    their number.
    """
    adjusted = [1.0] * len(values)
    least = 1.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__, reverse=True), start=1):
        least = min(least, rank * values[index])
        adjusted[index] = least
    return tuple(adjusted)


def bootstrap_ratio(
    above: Sequence[float], below: Sequence[float], confidence: float, seed: int = 0
) -> Interval:
    """The percentile interval of median(above) / median(below), each resampled on its own.

    The values are medians of consecutive blocks of timings, not single timings:
    neighbours are alike, and blocks keep them together (E. Carlstein, "The use
    of subseries values for estimating the variance of a general statistic from a
    stationary sequence", Annals of Statistics 14, 1986; B. Efron, "Bootstrap
    methods: another look at the jackknife", Annals of Statistics 7, 1979).
    """
    generator = np.random.default_rng(seed)

    def medians(values: Sequence[float]) -> npt.NDArray[np.float64]:
        drawn = generator.integers(0, len(values), (RESAMPLES, len(values)))
        return np.asarray(np.median(np.asarray(values, np.float64)[drawn], axis=1))

    tail = 50 * (1 - confidence)
    low, high = np.percentile(medians(above) / medians(below), (tail, 100 - tail))
    return float(low), float(high)


def percentile_error(p50: float, p90: float, runs: int, confidence: float) -> float:
    """How far the median of ``runs`` timings may be off, in logarithm, where only two percentiles were kept.

    The ends of a median's interval are the observations of rank
    runs/2 ± z·sqrt(runs)/2 (binomial; H. A. David and H. N. Nagaraja, "Order
    Statistics", 2003, section 7.1). The upper one lies below the chord from p50 to
    p90, because timings thin out above their median; the lower one is nearer,
    because they crowd below it. Infinite for too few runs.
    """
    share = quantile(confidence) / (2 * math.sqrt(runs))
    if share > 0.4:
        return math.inf
    return math.log1p(share / 0.4 * (p90 - p50) / p50)
