"""A training that was interrupted, wherever that was, ends with the bits of one that was not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgebuild.errors import Finding
from edgebuild.tasks.classification import Classification
from edgebuild.train import checkpoint
from edgebuild.train.checkpoint import Checkpoints
from edgebuild.train.loop import fit, inference, keras_trainee
from edgebuild.train.losses import cross_entropy, distillation
from tests.train.interrupted import assert_resumes_to_the_same_bits, every_step

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def data(count=14):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 6, 6, 1)).astype(np.uint8)
    return SimpleNamespace(images=images, labels=np.arange(count) % 2, scale=1 / 255)


def recipe(**changes):
    """Two epochs of three steps, the last of them smaller."""
    given = {
        "epochs": 2,
        "batch_size": 5,
        "learning_rate": 1e-2,
        "weight_decay": 1e-2,
        "shift": 1,
        "flip": True,
        "augment": "",
    }
    return SimpleNamespace(**(given | changes))


def small(keras, seed, dropout=0.3):
    """A network with statistics and, in its dropout, a random generator of its own."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(dropout, seed=8),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )


def test_a_keras_model_with_statistics_dropout_augmentation_and_a_teacher(backend, tmp_path):
    tf, keras = backend
    guide = inference(tf, small(keras, seed=9), 1 / 255)
    loss = distillation(2.0, 0.5)

    def make(seed):
        return keras_trainee(tf, small(keras, seed), 1 / 255, loss), lambda done: None

    assert_resumes_to_the_same_bits(backend, make, data(), recipe(), tmp_path, guide)


def test_an_interruption_at_the_end_of_an_epoch_repeats_no_step(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PARTS", 0)
    tf, keras = backend
    steps = []

    def train(on_epoch):
        trainee = keras_trainee(tf, small(keras, 1), 1 / 255, cross_entropy)
        fit(
            tf, keras, trainee, data(), data(), recipe(), task=Classification(), seed=1, on_epoch=on_epoch,
            after_step=steps.append, checkpoint=every_step(tmp_path, steps),
        )  # fmt: skip

    def stop(epoch):
        raise Finding(f"stopped in epoch {epoch.number}")

    with pytest.raises(Finding):
        train(on_epoch=stop)
    train(on_epoch=lambda epoch: None)
    said = "student resumes after epoch 0 of 2 and 14 images"
    assert steps == [1, 2, 3, said, 4, 5, 6]


def test_a_training_that_had_ended_is_not_repeated_and_its_curve_is_told_again(backend, tmp_path):
    tf, keras = backend
    epochs, steps, said = [], [], []

    def train(seed, stage):
        model = small(keras, seed)
        trainee = keras_trainee(tf, model, 1 / 255, cross_entropy)
        fit(
            tf, keras, trainee, data(), data(), recipe(), task=Classification(), seed=1, on_epoch=epochs.append,
            after_step=steps.append, checkpoint=stage.of("round-1"),
        )  # fmt: skip
        return [np.array(weight) for weight in model.variables]

    stage = Checkpoints(tmp_path, said.append, said.append)
    first = train(1, stage)
    stage.of("round-2").save([], stage.of("round-2").resume([], 1))
    again = train(2, Checkpoints(tmp_path, said.append, said.append))
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert epochs[:2] == epochs[2:]
    assert len(steps) == 6
    assert said == ["round-1 resumes after epoch 2 of 2"]


def test_a_training_of_less_than_a_minute_leaves_no_file(backend, tmp_path):
    tf, keras = backend
    trainee = keras_trainee(tf, small(keras, 1), 1 / 255, cross_entropy)
    fit(
        tf, keras, trainee, data(), data(), recipe(), task=Classification(), seed=1, on_epoch=lambda epoch: None,
        checkpoint=Checkpoints(tmp_path, print, print).of("student"),
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
