"""Windows over rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.sources.windows import codes, count, cut, runs


@given(rows=st.integers(0, 60), window=st.integers(1, 20), hop=st.integers(1, 25))
def test_windows_are_whole_and_begin_every_hop_rows(rows: int, window: int, hop: int) -> None:
    values = np.arange(2.0 * rows).reshape(rows, 2)
    expected = [values[start : start + window] for start in range(0, rows - window + 1, hop)]
    found = cut(values, window, hop)
    assert len(found) == count(rows, window, hop) == len(expected)
    np.testing.assert_array_equal(found, np.reshape(expected, (len(expected), window, 2)))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=30))
def test_runs_are_the_longest_stretches_in_which_nothing_changes(rows: list[tuple[int, int]]) -> None:
    one, other = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = runs(one[1:] != one[:-1], other[1:] != other[:-1], rows=len(rows))
    assert [row for start, stop in found for row in range(start, stop)] == list(range(len(rows)))
    assert all(len(set(rows[start:stop])) == 1 for start, stop in found)
    assert all(rows[start - 1] != rows[start] for start, _ in found[1:])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_codes_are_off_by_half_a_step_at_most_and_clamped(values: list[float]) -> None:
    array = np.array(values)[:, np.newaxis]
    real = -2 + codes(array, np.array([-2.0]), np.array([1.0])) * (3 / 255)
    np.testing.assert_allclose(real, np.clip(array, -2, 1), rtol=0, atol=1.5 / 255 + 1e-12)
