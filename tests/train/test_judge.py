"""A network that is not trained here is judged by the figures of an epoch, and for knowing the task at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.data.split import Split
from edgebuild.tasks.classification import Classification
from edgebuild.tasks.multilabel import MultiLabel
from edgebuild.train.judge import figures, is_chance, judged, order_of

TASK = Classification()
CLASSES = ("a", "b", "c")


def examples(labels) -> Split:
    images = np.zeros((len(labels), 1, 1, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels)) % 256
    return Split(images, np.asarray(labels, np.int64), 1 / 255, CLASSES)


def sure(labels):
    return 5 * np.eye(3, dtype=np.float32)[labels]


def test_epoch_0_has_the_columns_of_a_training_and_the_mean_figures():
    train, validation = examples(np.arange(1200) % 3), examples(np.arange(60) % 3)
    wrong = np.where(np.arange(60) < 15, (validation.labels + 1) % 3, validation.labels)
    epoch = judged(TASK, lambda images: sure(wrong), train, validation, known=sure(train.labels))
    assert epoch.number == 0
    assert list(epoch.metrics) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert epoch.metrics["accuracy"] == 1
    assert epoch.metrics["val_accuracy"] == 0.75
    right = -5 + np.log(np.exp(5) + 2)
    assert epoch.metrics["loss"] == pytest.approx(right, abs=1e-5)
    assert epoch.metrics["val_loss"] == pytest.approx(right + 15 / 60 * 5, abs=1e-5)


def test_figures_are_per_example_over_more_than_one_batch():
    split = examples(np.arange(1100) % 3)
    losses, right = figures(TASK, sure(split.labels), split)
    assert losses.shape == right.shape == (1100,)
    assert right.all()


def test_with_a_seed_every_example_meets_the_truth_of_another():
    split = examples(np.arange(1100) % 3)
    _, right = figures(TASK, sure(split.labels), split, seed=0)
    assert 0.25 < right.mean() < 0.42


@pytest.mark.parametrize("kind", ["always the same", "at random"])
def test_who_does_not_look_is_at_chance(kind):
    split = examples(np.arange(300) % 3)
    generator = np.random.default_rng(0)
    said = np.zeros(300, np.int64) if kind == "always the same" else generator.integers(0, 3, 300)
    assert is_chance(TASK, sure(said), split)


def test_who_is_a_little_better_than_chance_is_not_at_chance():
    labels = np.arange(600) % 3
    said = np.where(np.arange(600) < 200, labels, np.random.default_rng(0).integers(0, 3, 600))
    assert not is_chance(TASK, sure(said), examples(labels))


def test_never_saying_any_of_several_labels_is_chance():
    labels = (np.random.default_rng(0).random((200, 3)) < 0.1).astype(np.int64)
    split = Split(examples(np.zeros(200)).images, labels, 1 / 255, CLASSES)
    assert is_chance(MultiLabel(), np.full((200, 3), -3, np.float32), split)
    assert not is_chance(MultiLabel(), (6 * labels - 3).astype(np.float32), split)


@given(st.permutations(range(6)), st.integers(0, 20))
def test_another_order_of_classes_is_found_and_the_right_one_is_none(order, mistakes):
    labels = np.arange(120) % 6
    outputs = np.eye(6, dtype=np.float32)[np.argsort(order)[labels]]
    outputs[:mistakes] = np.roll(outputs[:mistakes], 1, axis=1)
    found = order_of(outputs, labels, 0.1)
    assert found == (None if list(order) == list(range(6)) else list(order))


def test_a_network_that_knows_too_little_has_no_order():
    generator = np.random.default_rng(1)
    outputs = np.eye(4, dtype=np.float32)[generator.integers(0, 4, 400)]
    assert order_of(outputs, np.arange(400) % 4, 0.1) is None
