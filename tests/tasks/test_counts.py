"""Figures of scores: against scikit-learn and scipy, by exact cases, and by simulation where an interval is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from edgebuild.tasks.counts import (
    auc,
    auc_interval,
    average_precision,
    f1,
    paired_auc,
    partial_auc,
    precision_recall,
    roc,
)


@st.composite
def judged(draw):
    """Scores of few values, so that there are ties, and labels of both kinds."""
    count = draw(st.integers(2, 40))
    scores = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    labels = draw(
        st.lists(st.integers(0, 1), min_size=count, max_size=count).filter(lambda k: 0 < sum(k) < len(k))
    )
    return np.array(scores, np.float32), np.array(labels)


@given(judged())
def test_auc_and_average_precision_are_those_of_scikit_learn(data):
    scores, labels = data
    assert auc(scores, labels) == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert average_precision(scores, labels) == pytest.approx(metrics.average_precision_score(labels, scores))


@given(judged())
def test_f1_precision_and_recall_are_those_of_scikit_learn(data):
    scores, labels = data
    decided = scores > 4
    expected = (metrics.precision_score, metrics.recall_score, metrics.f1_score)
    found = (*precision_recall(decided, labels), f1(decided, labels))
    assert found == pytest.approx([one(labels, decided, zero_division=0) for one in expected])


@given(judged())
def test_the_auc_is_the_area_under_the_curve(data):
    false, true = roc(*data)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(auc(*data))


@given(judged())
def test_the_partial_auc_of_everything_is_the_auc(data):
    assert partial_auc(*data, 1.0) == pytest.approx(auc(*data))


def test_the_partial_auc_looks_at_the_hardest_zeros_only():
    scores, labels = np.array([5.0, 1, 2, 3, 9, 4]), np.array([1, 0, 0, 0, 0, 1])
    assert partial_auc(scores, labels, 0.25) == 0.0
    assert partial_auc(scores, labels, 0.5) == 0.5
    assert partial_auc(scores, labels, 0.01) == 0.0


def test_a_label_that_never_occurs_has_no_average_precision():
    assert np.isnan(average_precision(np.array([1.0, 2.0]), np.array([0, 0])))


@given(st.floats(0, 1), st.integers(1, 500), st.integers(1, 500))
def test_the_interval_of_an_auc_holds_it_and_lies_within_0_and_1(found, ones, zeros):
    low, high = auc_interval(found, ones, zeros)
    assert 0 <= low <= found <= high <= 1


def test_the_interval_of_a_perfect_auc_is_no_point():
    low, high = auc_interval(1.0, 50, 50)
    assert high == 1.0
    assert 0.95 < low < 0.97


@pytest.mark.parametrize("apart", [1.0, 2.5])
def test_the_interval_of_an_auc_covers_about_as_often_as_it_says(apart):
    from scipy.stats import norm

    generator, inside, truth = np.random.default_rng(3), 0, float(norm.cdf(apart / np.sqrt(2)))
    labels = np.repeat([1, 0], [40, 60])
    for _ in range(400):
        low, high = auc_interval(auc(generator.normal(size=100) + apart * labels, labels), 40, 60)
        inside += low <= truth <= high
    assert 0.92 <= inside / 400 <= 0.99


def test_the_error_of_a_difference_is_what_simulation_shows():
    generator, labels = np.random.default_rng(5), np.repeat([1, 0], [50, 80])
    found = []
    for _ in range(300):
        common = generator.normal(size=130) + 1.5 * labels
        found.append(paired_auc(common, common + generator.normal(0, 0.7, 130), labels))
    differences, errors = np.array(found).T
    assert errors.mean() == pytest.approx(differences.std(), rel=0.1)


@settings(max_examples=30)
@given(judged())
def test_a_model_differs_from_itself_by_nothing(data):
    assert paired_auc(data[0], data[0], data[1]) == (0.0, 0.0)
