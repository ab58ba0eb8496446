from __future__ import annotations

import numpy as np
import pytest
from bench.rows import judge, paired_interval, spread
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

ANSWERS = st.integers(1, 300).flatmap(
    lambda count: st.tuples(arrays.arrays(np.bool_, count), arrays.arrays(np.bool_, count))
)


@given(ANSWERS)
def test_the_interval_of_a_difference_mirrors_when_the_two_sides_are_swapped(
    answers: tuple[np.ndarray, np.ndarray],
) -> None:
    one, other = answers
    gain, low, high = paired_interval(one, other)
    assert gain == pytest.approx(one.mean() - other.mean())
    assert low < high
    assert paired_interval(other, one) == pytest.approx((-gain, -high, -low))


def test_equal_answers_gain_nothing_and_more_images_say_so_more_surely() -> None:
    few, many = (paired_interval(np.ones(count, bool), np.ones(count, bool)) for count in (100, 10_000))
    assert few[0] == many[0] == 0
    assert few[1] < many[1] < 0 < many[2] < few[2]


def test_a_clear_difference_is_beyond_the_interval() -> None:
    ours, theirs = np.zeros(1000, bool), np.zeros(1000, bool)
    ours[:500], theirs[:560] = True, True
    gain, _, high = paired_interval(ours, theirs)
    assert gain == pytest.approx(-0.06)
    assert high < 0


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=9))
def test_a_spread_is_ordered_and_lies_within_what_was_seen(values: list[float]) -> None:
    found = spread(values)
    assert found.q25 <= found.median <= found.q75
    assert found.rounds == len(values)
    assert min(values) - 1e-3 <= found.q25 <= found.q75 <= max(values) + 1e-3


def test_a_file_is_judged_on_the_images_that_it_was_run_on() -> None:
    reference = np.eye(4, dtype=np.float32)
    found = judge(reference[[0, 1, 0]], reference, np.array([0, 1, 2, 3]))
    assert found.images == 3
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.accuracy_drop == pytest.approx(1 / 3)
    assert found.agreement_with_float == pytest.approx(2 / 3)
