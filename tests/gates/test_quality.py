"""What one model loses against another: counted, decided, resampled, or without the answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.gates.quality import loss, quality
from edgebuild.measure.accuracy import wilson
from edgebuild.measure.paired import mcnemar, paired_drop
from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.multilabel import MultiLabel
from edgebuild.tasks.regression import Regression, Target
from tests.gates.builds import EXAMPLES, TEACHER, answered, build

INT8 = "pruned-litert-int8"


def test_of_a_classification_the_examples_count_that_one_model_alone_gets_right() -> None:
    results = build({TEACHER: answered(range(4)), INT8: answered(range(2, 12))})
    lost = loss(results, TEACHER, results, INT8, 0.95)
    assert lost.found == (8 - 2) / EXAMPLES
    assert lost.interval == paired_drop(8, 2, EXAMPLES, 0.95)
    assert lost.p(0.0, 0.95) == mcnemar(8, 2)
    assert lost.note == "loses 8 and gains 2 of 400 examples"
    assert not lost.same


def test_a_loss_that_is_tolerated_is_tested_by_the_interval() -> None:
    results = build({TEACHER: answered(range(0)), INT8: answered(range(12))})
    lost = loss(results, TEACHER, results, INT8, 0.95)
    assert lost.p(0.0, 0.95) < 0.001
    assert 0.1 < lost.p(0.02, 0.95) < 1.0


def test_without_the_answers_the_interval_is_the_widest_that_the_summary_admits() -> None:
    answers = {TEACHER: answered(range(4)), INT8: answered(range(2, 12))}
    known, unknown = (
        loss(results, TEACHER, results, INT8, 0.95)
        for results in (build(answers), build(answers, kept=False))
    )
    assert unknown.found == known.found
    assert unknown.interval[0] <= known.interval[0]
    assert unknown.interval[1] >= known.interval[1]
    assert "dvc pull" in unknown.note


def test_other_test_examples_are_compared_as_independent_samples() -> None:
    before = build({TEACHER: answered(range(4))}, test_set="a")
    now = build({TEACHER: answered(range(12))}, test_set="b")
    lost = loss(before, TEACHER, now, TEACHER, 0.95)
    assert lost.found == pytest.approx(8 / EXAMPLES)
    paired = paired_drop(8, 0, EXAMPLES, 0.95)
    assert lost.interval[0] < paired[0] < paired[1] < lost.interval[1]
    assert lost.note == "unpaired, which sees less: other test examples"


def test_a_regression_counts_examples_within_their_tolerance() -> None:
    labels = np.zeros((200, 1), np.float32)
    near, far = np.full((200, 1), 0.5, np.float32), np.full((200, 1), 0.5, np.float32)
    far[:6] = 1.5
    task = Regression((Target("grams", offset=0.0, scale=1.0, tolerance=1.0),))
    results = build({TEACHER: near, INT8: far}, labels=labels, task=task)
    assert loss(results, TEACHER, results, INT8, 0.95).note == "loses 6 and gains 0 of 200 examples"
    assert quality(results, INT8, 0.95) == (0.97, wilson(194, 200))


def test_several_decisions_of_one_example_are_sampled_together() -> None:
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 2, (300, 5))
    right = np.where(labels > 0, 1.0, -1.0).astype(np.float32)
    flipped = right.copy()
    flipped[:15] *= -1  # all decisions of few examples
    results = build({TEACHER: right, INT8: flipped}, labels=labels, task=MultiLabel())
    lost = loss(results, TEACHER, results, INT8, 0.95)
    assert lost.found == pytest.approx(15 / 300)
    assert lost.note == "loses 75 and gains 0 of 1,500 decisions"
    # As wide as for 15 of 300 examples, and not as narrow as for 75 of 1,500 independent decisions.
    low, high = lost.interval
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.05 * 0.95 / 300), rel=0.02)


def test_no_difference_in_any_decision_still_has_a_width() -> None:
    labels = np.ones((50, 2), np.int64)
    right = np.ones((50, 2), np.float32)
    results = build({TEACHER: right, INT8: right}, labels=labels, task=MultiLabel())
    lost = loss(results, TEACHER, results, INT8, 0.95)
    assert lost.same
    assert lost.interval[0] < 0 < lost.interval[1]


def test_a_quality_without_decisions_is_resampled_on_the_same_examples() -> None:
    generator = np.random.default_rng(4)
    labels = np.repeat([0, 1], [150, 50])
    teacher = (generator.normal(size=200) + 2 * labels)[:, None].astype(np.float32)
    noisy = teacher + generator.normal(scale=0.05, size=teacher.shape).astype(np.float32)
    results = build({TEACHER: teacher, INT8: noisy}, labels=labels, task=AnomalyDetection(0.1))
    lost = loss(results, TEACHER, results, INT8, 0.95)
    low, high = lost.interval
    assert low < lost.found < high
    # Both see the same examples, so their difference is far surer than either quality.
    alone = np.std(results.resampled(TEACHER))
    assert high - low < 0.5 * 2 * 1.96 * alone


def test_the_same_answers_of_a_quality_without_decisions_are_the_same() -> None:
    labels = np.repeat([0, 1], [30, 10])
    answers = np.arange(40, dtype=np.float32)[:, None]
    results = build({TEACHER: answers, INT8: answers}, labels=labels, task=AnomalyDetection(0.1))
    assert loss(results, TEACHER, results, INT8, 0.95).same


def test_resamples_keep_every_class() -> None:
    labels = np.repeat([0, 1], [39, 1])
    answers = np.arange(40, dtype=np.float32)[:, None]
    results = build({TEACHER: answers}, labels=labels, task=AnomalyDetection(0.1))
    assert np.isfinite(results.resampled(TEACHER)).all()


def test_the_quality_of_counted_tasks_has_wilsons_interval_at_any_confidence() -> None:
    results = build({TEACHER: answered(range(4))})
    assert quality(results, TEACHER, 0.95) == (0.99, wilson(396, 400))
    low, high = quality(results, TEACHER, 0.5)[1]
    assert wilson(396, 400)[0] < low < 0.99 < high < wilson(396, 400)[1]


def test_the_interval_of_other_tasks_is_the_summarys_stretched_to_the_confidence() -> None:
    labels = np.repeat([0, 1], [30, 10])
    answers = np.r_[np.arange(30), np.arange(15, 25)].astype(np.float32)[:, None]
    results = build({TEACHER: answers}, labels=labels, task=AnomalyDetection(0.1))
    stated = results.variants[TEACHER]["accuracy_ci95"]
    found, (low, high) = quality(results, TEACHER, 0.95)
    assert (low, high) == pytest.approx(stated)
    wider, _ = quality(results, TEACHER, 0.99)[1]
    assert wider == pytest.approx(found - (found - low) * 2.5758 / 1.96, abs=1e-4)
