"""Two models on the same examples: McNemar's test, and the interval of what the second loses.

The report's words, its figures and `edgebuild check` all use these, so that none
calls chance what another calls a loss. Closed forms and short searches on counts:
no statistics package is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

__all__ = ["Interval", "mcnemar", "paired_drop", "quantile"]

Interval = tuple[float, float]


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
        raise ValueError(f"{lost} lost and {gained} gained of {total} examples are impossible")
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
