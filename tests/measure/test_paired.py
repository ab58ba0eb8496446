"""McNemar's test and the interval of a paired loss: a published example, scipy, and exact enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from edgebuild.measure.paired import mcnemar, paired_drop, quantile

#: lost, gained, total
tables = st.integers(2, 2000).flatmap(
    lambda total: st.integers(0, total).flatmap(
        lambda lost: st.tuples(st.just(lost), st.integers(0, total - lost), st.just(total))
    )
)
confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99])


def likeliest(drop: float, lost: int, gained: int, total: int) -> float:
    """The share of gained images that makes the counts likeliest where the true drop is ``drop``, by search."""

    def surprise(share: float) -> float:
        shares = np.array([share + drop, share, 1 - 2 * share - drop])
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.array([lost, gained, total - lost - gained]) * np.log(np.maximum(shares, 0))
        return -float(np.nansum(terms))

    low, high = max(0.0, -drop), (1 - drop) / 2
    found = optimize.minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    return float(found.x)


@given(st.integers(20, 300), st.data(), confidences)
def test_the_drops_interval_ends_where_the_score_statistic_is_the_quantile(
    total: int, data: st.DataObject, confidence: float
) -> None:
    lost = data.draw(st.integers(1, total // 3))
    gained = data.draw(st.integers(1, total // 3))
    for end, sign in zip(paired_drop(lost, gained, total, confidence), (1, -1), strict=True):
        share = likeliest(end, lost, gained, total)
        deviation = math.sqrt(total * (2 * share + end * (1 - end)))
        assert (lost - gained - total * end) / deviation == pytest.approx(
            sign * quantile(confidence), abs=2e-3
        )


def test_the_drops_interval_and_the_mid_p_value_are_those_of_a_published_example() -> None:
    # Airway hyper-responsiveness of 21 children before and after stem cell transplantation: Fagerland, Lydersen
    # and Laake 2014 give Tango's interval as -0.517 to -0.026, and 2013 the mid-p value as 0.039.
    low, high = paired_drop(1, 7, 21, 0.95)
    assert (round(low, 3), round(high, 3)) == (-0.517, -0.026)
    assert round(mcnemar(1, 7), 3) == 0.039


@given(tables, confidences)
def test_the_drops_interval_holds_the_drop_and_turns_with_the_models(
    counts: tuple[int, int, int], confidence: float
) -> None:
    lost, gained, total = counts
    low, high = paired_drop(lost, gained, total, confidence)
    assert -1 <= low <= (lost - gained) / total <= high <= 1
    assert low < high
    turned = paired_drop(gained, lost, total, confidence)
    assert turned == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize(("lost", "gained"), [(0.02, 0.02), (0.05, 0.01), (0.2, 0.1), (0.0, 0.03)])
def test_the_drops_interval_holds_the_true_drop_as_often_as_it_says(lost: float, gained: float) -> None:
    # Every table that 120 images can give, with its probability: no simulation.
    total, covered = 120, 0.0
    for discordant in range(61):  # more are too rare to matter
        for first in range(discordant + 1):
            counts = [first, discordant - first, total - discordant]
            chance = float(stats.multinomial.pmf(counts, total, [lost, gained, 1 - lost - gained]))
            if chance > 1e-9:
                low, high = paired_drop(first, discordant - first, total, 0.95)
                covered += chance * (low <= lost - gained <= high)
    assert covered > 0.935


@pytest.mark.parametrize(("lost", "gained", "total"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_impossible_counts_are_refused(lost: int, gained: int, total: int) -> None:
    with pytest.raises(ValueError, match="impossible"):
        paired_drop(lost, gained, total, 0.95)


@given(st.integers(0, 600), st.integers(0, 600))
def test_mcnemars_mid_p_value_counts_half_of_what_is_just_as_uneven(lost: int, gained: int) -> None:
    tossed = lost + gained
    uneven = np.abs(2 * np.arange(tossed + 1) - tossed)
    chances = stats.binom.pmf(np.arange(tossed + 1), tossed, 0.5)
    found = abs(lost - gained)
    expected = chances[uneven > found].sum() + chances[uneven == found].sum() / 2
    assert mcnemar(lost, gained) == pytest.approx(1.0 if tossed == 0 else expected, abs=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_two_equally_good_models_seldom_look_different_to_mcnemar(share: float) -> None:
    # ``share`` of 400 images is right for one model only, for either one as often: summed over every outcome.
    alarm = sum(
        float(stats.binom.pmf(tossed, 400, share) * stats.binom.pmf(lost, tossed, 0.5))
        for tossed in range(150)
        for lost in range(tossed + 1)
        if mcnemar(lost, tossed - lost) < 0.05
    )
    assert alarm <= 0.052
