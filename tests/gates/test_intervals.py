"""Intervals and tests on counts and timings: against published examples, against scipy, and by exact enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, stats

from edgebuild.gates.intervals import (
    bootstrap_ratio,
    hochberg,
    independent_drop,
    mcnemar,
    p_from_interval,
    paired_drop,
    percentile_error,
    quantile,
)
from edgebuild.measure.accuracy import wilson

#: lost, gained, total
tables = st.integers(2, 2000).flatmap(
    lambda total: st.integers(0, total).flatmap(
        lambda lost: st.tuples(st.just(lost), st.integers(0, total - lost), st.just(total))
    )
)
samples = st.integers(1, 3000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
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


def test_the_interval_from_two_of_wilsons_is_newcombes_of_his_example() -> None:
    # Newcombe 1998, table II, method 10, 56/70 against 48/80.
    low, high = independent_drop(56 / 70, wilson(56, 70), 48 / 80, wilson(48, 80))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


@given(samples, samples)
def test_the_interval_of_independent_shares_holds_their_difference(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    one, two = first[0] / first[1], second[0] / second[1]
    low, high = independent_drop(one, wilson(*first), two, wilson(*second))
    assert -1 - 1e-9 <= low <= one - two <= high <= 1 + 1e-9


@given(st.floats(-1, 1), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(-2, 2), confidences)
def test_a_value_is_significantly_off_just_where_the_interval_excludes_it(
    found: float, below: float, above: float, value: float, confidence: float
) -> None:
    low, high = found - below, found + above
    assume(min(abs(value - low), abs(value - high)) > 1e-6)
    p = p_from_interval(found, (low, high), value, confidence)
    assert (p < 1 - confidence) == (not low < value < high)


def test_the_p_value_of_a_symmetric_interval_is_the_normal_one() -> None:
    wide = quantile(0.9) * 0.5
    p = p_from_interval(2.0, (2 - wide, 2 + wide), 1.0, 0.9)
    assert p == pytest.approx(2 * stats.norm.sf(1.0 / 0.5))


def test_an_exact_figure_is_either_the_value_or_is_not() -> None:
    assert p_from_interval(0.5, (0.5, 0.5), 0.5, 0.95) == 1.0
    assert p_from_interval(0.5, (0.5, 0.5), 0.4, 0.95) == 0.0


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.001, 0.2))
def test_hochberg_rejects_what_his_step_up_procedure_rejects(values: list[float], alpha: float) -> None:
    # As published: the largest rank i with P(i) <= alpha / (m - i + 1), and all of smaller or equal p-value.
    ordered = sorted(values)
    bars = [value for rank, value in enumerate(ordered, 1) if value * (len(values) - rank + 1) <= alpha]
    rejected = [bool(bars) and value <= max(bars) for value in values]
    assert [value <= alpha for value in hochberg(values)] == rejected


def test_what_all_tests_say_alike_is_not_weakened_by_their_number() -> None:
    assert hochberg([0.04, 0.04, 0.04]) == (0.04, 0.04, 0.04)


@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_the_bootstrap_holds_the_true_ratio_about_as_often_as_it_says(noise: float) -> None:
    generator = np.random.default_rng(3)
    held = []
    for _ in range(150):
        above, below = (generator.normal(median, noise * median, 20) for median in (3.0, 10.0))
        low, high = bootstrap_ratio(above.tolist(), below.tolist(), 0.95)
        held.append(low <= 0.3 <= high)
    assert np.mean(held) > 0.9


def test_the_bootstrap_gives_the_same_interval_every_time() -> None:
    above, below = [2.0, 2.1, 2.2, 2.3], [1.0, 1.1, 0.9, 1.0]
    assert bootstrap_ratio(above, below, 0.95) == bootstrap_ratio(above, below, 0.95)


@pytest.mark.parametrize("runs", [50, 400, 4000])
def test_two_percentiles_bound_the_error_of_a_median_of_skewed_timings(runs: int) -> None:
    generator = np.random.default_rng(5)
    true = math.exp(0.0)
    held = []
    for _ in range(300):
        timings = np.sort(generator.lognormal(0.0, 0.1, runs))
        p50, p90 = timings[math.ceil(runs / 2) - 1], timings[math.ceil(0.9 * runs) - 1]
        held.append(abs(math.log(p50 / true)) <= percentile_error(p50, p90, runs, 0.95))
    assert np.mean(held) > 0.94


def test_few_timings_bound_nothing() -> None:
    assert percentile_error(1.0, 1.1, 4, 0.95) == math.inf
