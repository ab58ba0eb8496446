"""The training loop: it learns, it is a function of its seed, and it refuses to go on when it diverges."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgebuild.errors import DataError, Finding
from edgebuild.tasks.classification import Classification
from edgebuild.train import loop
from edgebuild.train.loop import fit, inference, keras_trainee, total_steps
from edgebuild.train.losses import cross_entropy, distillation
from edgebuild.zoo.ds_cnn import ds_cnn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def problem(count=120):
    """Bright or dark upper halves: separable."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = generator.integers(0, 100, (count, 6, 6, 1))
    images[labels == 1, :3] += 150
    return SimpleNamespace(images=images.astype(np.uint8), labels=labels, scale=1 / 255)


def recipe(**changes):
    given = {
        "epochs": 4,
        "batch_size": 25,
        "learning_rate": 1e-2,
        "weight_decay": 0.0,
        "shift": 0,
        "flip": False,
        "augment": "",
    }
    return SimpleNamespace(**(given | changes))


def trained(backend, seed=1, on_epoch=lambda epoch: None, loss=cross_entropy, **options):
    tf, keras = backend
    keras.utils.set_random_seed(seed)
    model = ds_cnn(keras, (6, 6, 1), 2, width=4, blocks=1, stages=1, stem_stride=1)
    used = options.pop("recipe", recipe())
    trainee = keras_trainee(tf, model, problem().scale, loss)
    fit(
        tf,
        keras,
        trainee,
        problem(),
        problem(),
        used,
        task=Classification(),
        seed=seed,
        on_epoch=on_epoch,
        **options,
    )
    return model


def weights(model):
    return [np.array(weight) for weight in model.weights]


def test_it_learns_what_can_be_learnt(backend):
    epochs = []
    trained(backend, on_epoch=epochs.append, recipe=recipe(epochs=12))
    assert [epoch.number for epoch in epochs] == list(range(1, 13))
    assert epochs[-1].metrics["val_accuracy"] == 1.0
    assert epochs[-1].metrics["loss"] < epochs[0].metrics["loss"]


def test_a_seed_gives_the_same_bits_and_another_seed_others(backend):
    used = recipe(shift=1, flip=True)
    one, same, other = (weights(trained(backend, seed, recipe=used)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_teacher_may_be_its_logits_or_itself(backend):
    teacher = trained(backend, seed=5)
    cached = inference(backend[0], teacher, 1 / 255)(problem().images)
    loss = distillation(2.0, 0.5)
    by_array = weights(trained(backend, loss=loss, guide=cached))
    by_model = weights(trained(backend, loss=loss, guide=inference(backend[0], teacher, 1 / 255)))
    for one, other in zip(by_array, by_model, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_every_step_is_announced_once(backend):
    steps = []
    trained(backend, after_step=steps.append)
    assert steps == list(range(1, total_steps(120, recipe()) + 1))
    assert len(steps) == 4 * 5


def test_a_training_that_diverges_is_stopped(backend):
    with pytest.raises(Finding, match="not finite.*learning_rate"):
        trained(backend, loss=lambda tf, logits, labels, teacher: tf.reduce_mean(logits) * float("nan"))


def test_a_learning_rate_that_is_too_high_is_found(backend):
    with pytest.raises(Finding, match="not finite in epoch"):
        trained(backend, recipe=recipe(learning_rate=1e30))


@pytest.mark.parametrize("shift", [0, 2])
def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone(backend, monkeypatch, shift):
    batches = []

    def recorded(images, **options):
        batches.append(images)
        return augment(images, **options)

    augment = loop.augment
    monkeypatch.setattr(loop, "augment", recorded)
    trained(backend, seed=6, recipe=recipe(epochs=2, shift=shift))
    orders = [np.random.default_rng([6, epoch]).permutation(120) for epoch in range(2)]
    np.testing.assert_array_equal(np.concatenate(batches), problem().images[np.concatenate(orders)])
    assert [len(batch) for batch in batches] == [25, 25, 25, 25, 20] * 2


@pytest.mark.parametrize("shape", [(119, 2), (121, 2), (120,)])
def test_logits_of_other_images_are_refused(backend, shape):
    with pytest.raises(DataError, match=r"120 images, but have the shape"):
        trained(backend, loss=distillation(2.0, 0.5), guide=np.zeros(shape, np.float32))


def test_a_guide_that_is_a_function_is_asked_about_what_the_student_sees(backend):
    seen = []

    def guide(images):
        seen.append(images)
        return np.zeros((len(images), 2), np.float32)

    trained(backend, loss=distillation(2.0, 0.5), guide=guide, recipe=recipe(epochs=1, shift=1))
    assert [images.dtype for images in seen] == [np.uint8] * 5
    assert not np.array_equal(np.sort(np.concatenate(seen), axis=0), np.sort(problem().images, axis=0))


def test_inference_is_the_model_on_real_images_whatever_the_batches(backend):
    model = trained(backend)
    images = problem().images
    expected = model(images.astype(np.float32) / np.float32(255), training=False).numpy()
    infer = inference(backend[0], model, 1 / 255)
    for batch_size in (500, 7, 1):
        found = infer(images[:30], batch_size)
        assert (found.shape, found.dtype) == ((30, 2), np.float32)
        np.testing.assert_allclose(found, expected[:30], atol=1e-5)


@pytest.mark.parametrize(
    ("images", "batch_size", "steps"), [(1, 25, 4), (25, 25, 4), (26, 25, 8), (50, 1, 200)]
)
def test_the_last_batch_of_an_epoch_counts(images, batch_size, steps):
    assert total_steps(images, recipe(batch_size=batch_size)) == steps
