"""How sure a finite test set and a finite number of timings make us: intervals and tests.

Closed forms and short searches on counts, so that a check needs no statistics
package; `tests/gates` holds them against scipy and against exact enumeration.
Confidence is that of a two-sided interval: at 0.95 each end is exceeded with
2.5%.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = [
    "Interval",
    "bootstrap_ratio",
    "hochberg",
    "independent_drop",
    "mcnemar",
    "p_from_interval",
    "paired_drop",
    "percentile_error",
    "quantile",
]

Interval = tuple[float, float]

RESAMPLES = 4000


def quantile(confidence: float) -> float:
    """The standard normal quantile z of a two-sided interval: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def paired_drop(lost: int, gained: int, total: int, confidence: float) -> Interval:
    """The score interval of the difference of two accuracies on the same examples.

    ``lost`` examples only the first model gets right, ``gained`` only the second;
    the interval is that of (lost - gained) / total, the second model's drop.
    Examples that both or neither get right do not matter, and with no example
    between them it still has a width: that of what so few examples cannot exclude.

    T. Tango, "Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design", Statistics in Medicine 17, 1998;
    recommended by Fagerland, Lydersen and Laake, "Recommended tests and
    confidence intervals for paired binomial proportions", Statistics in
    Medicine 33, 2014.

    Raises:
        ValueError: unless the counts are at least 0 and fit into ``total``.
    """
    if min(lost, gained) < 0 or lost + gained > total or total < 1:
        raise ValueError(f"{lost} lost and {gained} gained of {total} images are impossible")
    z = quantile(confidence)
    point = (lost - gained) / total
    # The statistic falls from +inf at -1 to -inf at 1, and is 0 at the point estimate.
    low = _solve(lambda drop: _score(drop, lost, gained, total) > z, -1.0, point)
    high = _solve(lambda drop: _score(drop, lost, gained, total) > -z, point, 1.0)
    return low, high


def _score(drop: float, lost: int, gained: int, total: int) -> float:
    """Tango's statistic: the standardized distance of the counts from a true drop of ``drop``."""
    linear = -(lost + gained) + (2 * total - lost + gained) * drop
    product = -gained * drop * (1 - drop)
    root = math.sqrt(max(0.0, linear * linear - 8 * total * product))
    share = (root - linear) / (4 * total)  # the likeliest share of gained examples, given ``drop``
    variance = total * (2 * share + drop * (1 - drop))
    distance = lost - gained - total * drop
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _solve(above: Callable[[float], bool], low: float, high: float) -> float:
    """Where ``above`` turns from true to false between ``low`` and ``high``, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        if above(middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def mcnemar(lost: int, gained: int) -> float:
    """The two-sided mid-p value of McNemar's test that two models are equally good.

    If they are, each example that only one gets right is the toss of a fair coin.
    Half of the observed outcome's own probability counts, which makes the exact
    test less timid and keeps its error near the nominal one: Fagerland, Lydersen
    and Laake, "The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional", BMC Medical Research
    Methodology 13, 2013.
    """
    if lost + gained == 0:
        return 1.0
    tossed, fewer = lost + gained, min(lost, gained)
    term, tail = 1, 0  # binomial coefficients, in whole numbers: exact for any count
    outcomes = 1 << tossed
    for count in range(fewer):
        tail += term
        term = term * (tossed - count) // (count + 1)
    if lost == gained:
        return 1 - term / (2 * outcomes)
    return (2 * tail + term) / outcomes


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
