"""Intervals and tests on counts and timings: against published examples, against scipy, and by exact enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from edgebuild.gates.intervals import (
    bootstrap_ratio,
    hochberg,
    independent_drop,
    p_from_interval,
    percentile_error,
)
from edgebuild.measure.accuracy import wilson
from edgebuild.measure.paired import quantile

#: count, total
samples = st.integers(1, 3000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99])


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
