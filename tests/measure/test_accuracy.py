"""Accuracy, its interval, and agreement."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgebuild.errors import Finding
from edgebuild.measure.accuracy import accuracy, agreement, confusion, max_abs_error, predicted, wilson

# Few distinct values, so that ties are common.
logits = arrays(np.float32, st.tuples(st.integers(1, 20), st.just(4)), elements=st.integers(-2, 2).map(float))
counts = st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(logits)
def test_the_first_of_equal_logits_is_predicted(values: npt.NDArray[np.float32]) -> None:
    for row, label in zip(values, predicted(values), strict=True):
        assert row[label] == row.max()
        assert all(row[earlier] < row.max() for earlier in range(label))


@given(logits, st.data())
def test_accuracy_is_the_share_of_hits_and_the_diagonal_of_the_confusion(
    values: npt.NDArray[np.float32], data: st.DataObject
) -> None:
    labels = data.draw(arrays(np.int64, len(values), elements=st.integers(0, 3)))
    found, matrix = accuracy(values, labels), confusion(values, labels)
    assert found == pytest.approx(sum(predicted(values) == labels) / len(labels))
    assert matrix.sum() == len(labels)
    assert np.trace(matrix) == round(found * len(labels))
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(labels, minlength=4))
    np.testing.assert_array_equal(matrix.sum(axis=0), np.bincount(predicted(values), minlength=4))


def test_rows_of_the_confusion_are_true_classes() -> None:
    found = confusion(np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), np.array([0, 1, 0]))
    assert found.tolist() == [[1, 1], [0, 1]]


@given(counts)
def test_the_interval_holds_the_proportion_and_lies_in_0_to_1(count: tuple[int, int]) -> None:
    low, high = wilson(*count)
    assert 0 <= low <= count[0] / count[1] <= high <= 1
    assert low < high


@given(counts)
def test_the_interval_is_symmetric_in_hits_and_misses(count: tuple[int, int]) -> None:
    correct, total = count
    low, high = wilson(correct, total)
    assert wilson(total - correct, total) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(counts)
def test_more_hits_move_both_ends_up_and_more_data_narrow_it(count: tuple[int, int]) -> None:
    correct, total = count
    low, high = wilson(correct, total)
    if correct < total:
        higher = wilson(correct + 1, total)
        assert higher[0] > low
        assert higher[1] >= high
    wider, narrower = high - low, np.subtract(*wilson(4 * correct, 4 * total)[::-1])
    assert narrower < wider


@pytest.mark.parametrize(
    ("correct", "total", "expected"),
    # R. G. Newcombe, Statistics in Medicine 17, 1998, table I, method 3
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_published_intervals_are_reproduced(correct: int, total: int, expected: tuple[float, float]) -> None:
    assert wilson(correct, total) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("share", "total"), [(0.5, 100), (0.9, 400), (0.98, 400), (0.907, 10_000)])
def test_the_interval_holds_the_truth_95_times_in_100(share: float, total: int) -> None:
    draws = np.random.Generator(np.random.PCG64(5)).binomial(total, share, 20_000)
    hits, times = np.unique(draws, return_counts=True)
    inside = [low <= share <= high for low, high in (wilson(int(hit), total) for hit in hits)]
    assert 0.935 < np.average(inside, weights=times) < 0.97


@pytest.mark.parametrize(("correct", "total"), [(-1, 10), (11, 10), (0, 0)])
def test_impossible_counts_are_refused(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match="correct <= total"):
        wilson(correct, total)


@given(logits, st.integers(0, 10))
def test_agreement_is_symmetric_and_whole_with_itself(values: npt.NDArray[np.float32], seed: int) -> None:
    other = np.random.Generator(np.random.PCG64(seed)).permutation(values)
    assert agreement(values, values) == 1.0
    assert agreement(values, other) == agreement(other, values)
    assert agreement(values, other) >= np.mean(np.all(values == other, axis=1))


def test_agreement_does_not_ask_who_is_right() -> None:
    one = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 3.0]])
    other = np.array([[9.0, 0.0], [1.0, 0.0], [0.0, 5.0], [3.0, 3.0]])  # the last is a tie: class 0
    assert agreement(one, other) == 0.5


def test_the_largest_error_is_found_without_overflow() -> None:
    one = np.array([[60_000.0, 0.0]], np.float16)
    assert max_abs_error(one, -one) == 2 * float(one[0, 0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_a_finding(value: float) -> None:
    bad = np.zeros((3, 2))
    bad[1, 1] = value
    with pytest.raises(Finding, match=r"1 of 3 images are not \(the first is image 1\)"):
        accuracy(bad, np.array([0, 0, 0]))


@pytest.mark.parametrize("shape", [(4,), (0, 3), (3, 0), (2, 2, 2)])
def test_logits_of_another_shape_are_a_finding(shape: tuple[int, ...]) -> None:
    with pytest.raises(Finding, match=r"shape \(images, classes\)"):
        predicted(np.zeros(shape))


def test_comparing_different_splits_is_a_finding() -> None:
    with pytest.raises(Finding, match="one label per image"):
        accuracy(np.zeros((3, 2)), np.zeros(4, int))
    for compare in (agreement, max_abs_error):
        with pytest.raises(Finding, match="one shape"):
            compare(np.zeros((1, 2)), np.zeros((3, 2)))
