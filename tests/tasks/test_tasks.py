"""What every task promises, whichever it is, and what each of them means by it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from edgebuild.errors import DataError, Finding
from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.classification import Classification
from edgebuild.tasks.multilabel import MultiLabel
from edgebuild.tasks.regression import Regression, Target
from edgebuild.tasks.task import Task

SHAPE, COUNT = (2, 3, 1), 64
TARGETS = (Target("age", 40.0, 15.0, 5.0), Target("weight", 70.0, 10.0, 4.0))
TASKS: dict[str, Task] = {
    "classification": Classification(),
    "multilabel": MultiLabel(),
    "regression": Regression(TARGETS),
    "anomaly": AnomalyDetection(0.1),
}
CLASSES = {
    "classification": ("a", "b", "c"),
    "multilabel": ("red", "round"),
    "regression": ("age", "weight"),
    "anomaly": ("normal", "anomaly"),
}


def images(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (COUNT, *SHAPE)).astype(np.uint8)


def real(seed=0):
    return images(seed).astype(np.float32) * np.float32(1 / 255)


def outputs(kind, seed=1):
    count = TASKS[kind].outputs(SHAPE, CLASSES[kind])
    return np.random.default_rng(seed).normal(0, 1, (COUNT, count)).astype(np.float32)


def labels(kind, seed=2):
    generator = np.random.default_rng(seed)
    return {
        "classification": generator.integers(0, 3, COUNT),
        "multilabel": generator.integers(0, 2, (COUNT, 2)),
        "regression": generator.normal((40, 70), (15, 10), (COUNT, 2)).astype(np.float32),
        "anomaly": np.arange(COUNT) % 2,
    }[kind]


def normal(kind):
    """Labels as those of a training split."""
    return labels(kind) * 0 if kind == "anomaly" else labels(kind)


every = pytest.mark.parametrize("kind", TASKS)


@every
def test_the_losses_of_validation_are_those_of_training(backend, kind):
    task, truth = TASKS[kind], TASKS[kind].truth(images(), normal(kind), 1 / 255)
    losses, figures = task.validate(outputs(kind), truth)
    assert losses.shape == figures.shape == (COUNT,)
    assert float(task.loss(backend[0], outputs(kind), truth, None)) == pytest.approx(losses.mean(), rel=1e-5)
    assert float(task.correct(backend[0], outputs(kind), truth)) == pytest.approx(figures.sum(), rel=1e-4)


@every
def test_without_a_teachers_share_distillation_is_the_loss(backend, kind):
    task, truth = TASKS[kind], TASKS[kind].truth(images(), normal(kind), 1 / 255)
    loss = task.distillation(4.0, 0.0)(backend[0], outputs(kind), truth, outputs(kind, seed=7))
    assert float(loss) == pytest.approx(float(task.loss(backend[0], outputs(kind), truth, None)), rel=1e-5)


@every
def test_a_student_that_says_what_its_teacher_says_has_no_loss_by_it(backend, kind):
    task, truth = TASKS[kind], TASKS[kind].truth(images(), normal(kind), 1 / 255)
    loss = task.distillation(2.0, 1.0)
    assert float(loss(backend[0], outputs(kind), truth, outputs(kind))) == pytest.approx(0, abs=1e-6)
    assert float(loss(backend[0], outputs(kind), truth, outputs(kind, seed=7))) > 0.01


@every
def test_a_model_agrees_with_itself_and_does_not_diverge_from_itself(kind):
    task, found = TASKS[kind], TASKS[kind].answers(outputs(kind), real())
    assert task.settled(found, labels(kind)).alike(found, found).all()
    np.testing.assert_allclose(
        task.divergence(outputs(kind), outputs(kind), probabilities=False), 0, atol=1e-12
    )
    assert (task.divergence(outputs(kind), outputs(kind, seed=7), probabilities=False) > 0).all()


@every
def test_random_answers_agree_less_than_always(kind):
    task = TASKS[kind]
    one, other = (task.answers(outputs(kind, seed), real()) for seed in (1, 7))
    alike = task.settled(other, labels(kind)).alike(one, other)
    assert alike.dtype == bool
    assert 0 < alike.mean() < 1


@every
def test_a_step_of_the_grid_never_counts_as_another_decision(kind):
    task, step = TASKS[kind], 0.125
    expected = np.round(outputs(kind) / step) * np.float32(step)
    moved = expected + np.random.default_rng(0).choice([-step, 0, step], expected.shape).astype(np.float32)
    if kind == "classification":  # one class by one step: two that move towards each other are two steps
        moved = expected.copy()
        moved[:, 0] += np.float32(step)
    one, other = (task.answers(values, real()) for values in (moved, expected))
    assert task.settled(other, labels(kind)).alike(one, other, step).all()


@every
def test_the_quality_lies_in_its_interval(kind):
    task = TASKS[kind]
    score = task.score(task.answers(outputs(kind), real()), labels(kind))
    assert 0 <= score.low < score.value < score.high <= 1


@every
def test_where_decisions_are_right_or_wrong_their_share_is_the_quality(kind):
    task, found = TASKS[kind], TASKS[kind].answers(outputs(kind), real())
    right = task.right(found, labels(kind))
    if kind == "anomaly":
        assert right is None
    else:
        assert right.mean() == pytest.approx(task.score(found, labels(kind)).value)


@every
@pytest.mark.parametrize("broken", ["nan", "short", "narrow"])
def test_answers_that_cannot_be_judged_are_a_finding(kind, broken):
    task, found = TASKS[kind], TASKS[kind].answers(outputs(kind), real()).copy()
    if broken == "nan":
        found[3, 0] = np.nan
    found = {"nan": found, "short": found[:-1], "narrow": found[:, :0]}[broken]
    with pytest.raises(Finding):
        task.score(found, labels(kind))


@every
def test_labels_of_another_task_are_refused_before_training(kind):
    TASKS[kind].check(normal(kind), CLASSES[kind], "data/train.npz")
    for other in set(TASKS) - {kind}:
        if {kind, other} != {"classification", "anomaly"}:
            with pytest.raises(DataError, match=r"^data/train.npz: task .* set task.kind"):
                TASKS[kind].check(normal(other), CLASSES[kind], "data/train.npz")


def test_probabilities_of_labels_become_their_logits_and_logits_stay():
    task, logits = MultiLabel(), outputs("multilabel")
    np.testing.assert_allclose(task.as_outputs(1 / (1 + np.exp(-logits))), logits, atol=1e-4)
    assert task.as_outputs(logits) is logits
    assert np.isfinite(task.as_outputs(np.array([[0.0, 1.0]], np.float32))).all()


def test_figures_of_labels_leave_out_those_that_never_occur():
    truth, logits = labels("multilabel") * [1, 0], outputs("multilabel")
    found = MultiLabel().metrics(logits, truth)
    assert found["mean_average_precision"] == pytest.approx(
        metrics.average_precision_score(truth[:, 0], logits[:, 0])
    )
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth[:, 0], logits[:, 0] > 0))
    assert found["exact_match"] == ((logits > 0) == truth).all(axis=1).mean()


def test_the_interval_of_label_accuracy_counts_examples_where_their_decisions_go_together():
    together = np.repeat(np.arange(COUNT)[:, None] % 4 > 0, 2, axis=1)  # both labels right, or both wrong
    answers = np.where(together, 1.0, -1.0).astype(np.float32)
    one = MultiLabel().score(answers, np.ones((COUNT, 2), np.int64))
    single = MultiLabel().score(answers[:, :1], np.ones((COUNT, 1), np.int64))
    assert one.high - one.low == pytest.approx(single.high - single.low, rel=0.02)


def test_a_regression_answers_in_units_and_is_trained_without_them():
    task, truth = TASKS["regression"], labels("regression")
    np.testing.assert_allclose(task.answers(task.truth(images(), truth, 1 / 255), real()), truth, rtol=1e-5)
    assert abs(task.truth(images(), truth, 1 / 255).std() - 1) < 0.2
    assert task.score(truth, truth).value == 1.0


def test_errors_of_a_regression_are_those_of_scikit_learn():
    truth, found = labels("regression"), labels("regression", seed=9)
    figures = TASKS["regression"].metrics(found, truth)
    for at, name in enumerate(("age", "weight")):
        assert figures[f"mae.{name}"] == pytest.approx(
            metrics.mean_absolute_error(truth[:, at], found[:, at])
        )
        assert figures[f"rmse.{name}"] == pytest.approx(
            metrics.root_mean_squared_error(truth[:, at], found[:, at]), rel=1e-6
        )
        assert figures[f"r2.{name}"] == pytest.approx(metrics.r2_score(truth[:, at], found[:, at]), rel=1e-5)


@pytest.mark.parametrize(("offset", "scale"), [(400.0, 15.0), (40.0, 1.0), (40.0, 1500.0)])
def test_targets_that_lie_elsewhere_are_refused_with_the_lines_to_write(offset, scale):
    task = Regression((Target("age", offset, scale, 5.0), TARGETS[1]))
    with pytest.raises(
        DataError, match=r"write\n  age: \{offset: 4\d\.\d+, scale: 1\d\.\d+, tolerance: 5\}\n"
    ):
        task.check(labels("regression"), CLASSES["regression"], "data/train.npz")


def test_targets_of_other_names_are_refused():
    with pytest.raises(DataError, match=r"has the targets weight, age, but task.targets .* are age, weight"):
        TASKS["regression"].check(labels("regression"), ("weight", "age"), "data/train.npz")


@given(st.integers(1, 20), st.floats(0.02, 0.5))
def test_about_the_stated_share_of_normal_examples_is_called_an_anomaly(seed, rate):
    scores = np.random.default_rng(seed).random((200, 1)).astype(np.float32)
    settled = AnomalyDetection(rate).settled(scores, np.arange(200) % 2)
    called = (scores[np.arange(200) % 2 == 0] > settled.threshold).mean()
    assert rate - 0.02 <= called <= rate + 1e-9


def test_a_perfect_reconstruction_has_the_score_zero_and_explains_everything():
    task, truth = TASKS["anomaly"], TASKS["anomaly"].truth(images(), normal("anomaly"), 1 / 255)
    assert not task.answers(truth, real()).any()
    losses, explained = task.validate(truth, truth)
    assert not losses.any()
    assert (explained == 1).all()


def test_an_auc_of_normal_examples_alone_is_a_finding():
    with pytest.raises(Finding, match="of 64 examples 0 are anomalies"):
        TASKS["anomaly"].score(np.ones((COUNT, 1), np.float32), normal("anomaly"))


def test_decisions_without_a_threshold_are_refused():
    with pytest.raises(ValueError, match="settled"):
        TASKS["anomaly"].alike(np.ones((2, 1)), np.ones((2, 1)))
