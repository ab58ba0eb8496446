"""Augmentation by Keras layers: bytes to bytes, a function of the seed, seen by the teacher too."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edgebuild.errors import UsageError
from edgebuild.tasks.classification import Classification
from edgebuild.train.layers import keras_augmentation
from edgebuild.train.loop import fit, keras_trainee
from edgebuild.train.losses import distillation
from tests.train.interrupted import assert_resumes_to_the_same_bits

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SCALE = 1 / 16
IMAGES = np.random.default_rng(0).integers(0, 17, (24, 6, 5, 1)).astype(np.uint8)

MODULE = """
import keras

def turned():
    return keras.Sequential([keras.layers.RandomRotation(0.2), keras.layers.RandomTranslation(0.3, 0.3)])

def brighter():
    return keras.layers.RandomBrightness((0.5, 0.5), value_range=(0, 1))

def nothing():
    return keras.layers.Activation("linear")

def cropped():
    return keras.layers.CenterCrop(3, 3)

def trained():
    return keras.layers.Conv2D(1, 3, padding="same", name="sharpen")

def number():
    return 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("mine", None)
    yield
    sys.modules.pop("mine", None)


def augmented(backend, name, seed=3):
    layers = keras_augmentation(backend[0], f"mine:{name}", IMAGES.shape[1:], SCALE)
    return layers(IMAGES, np.random.default_rng(seed))


def test_a_layer_that_does_nothing_leaves_every_byte(backend, mine):
    found = augmented(backend, "nothing")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, IMAGES)


def test_what_comes_out_is_clipped_and_rounded_to_codes(backend, mine):
    np.testing.assert_array_equal(augmented(backend, "brighter"), np.minimum(IMAGES + 8, 16))


def test_it_is_a_function_of_the_generator_alone(backend, mine):
    one, same, other = (augmented(backend, "turned", seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, IMAGES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cropped", r"must keep the shape of images, \(n, 6, 5, 1\), but gives \(2, 3, 3, 1\)"),
        ("trained", r"nothing trains the layer of mine:trained, but it has weights \(sharpen/kernel"),
        ("number", r"mine:number\(\) must give a Keras layer .* fails with TypeError"),
        ("absent", r"augment: mine.py has no function absent"),
    ],
)
def test_what_cannot_augment_is_refused_before_training(backend, mine, name, message):
    with pytest.raises(UsageError, match=message):
        augmented(backend, name)


def recipe(**changes):
    given = {
        "epochs": 2,
        "batch_size": 5,
        "learning_rate": 1e-2,
        "weight_decay": 0.0,
        "shift": 0,
        "flip": False,
    }
    return SimpleNamespace(**(given | changes), augment="mine:turned")


def data():
    return SimpleNamespace(images=IMAGES, labels=np.arange(len(IMAGES)) % 2, scale=SCALE)


def make(backend, loss):
    tf, keras = backend
    image = keras.Input(IMAGES.shape[1:])
    outputs = keras.layers.Dense(2, kernel_initializer="ones")(keras.layers.Flatten()(image))
    return keras_trainee(tf, keras.Model(image, outputs), SCALE, loss)


def test_the_teacher_sees_what_its_student_sees(backend, mine):
    seen = []

    def guide(images):
        seen.append(images)
        return np.zeros((len(images), 2), np.float32)

    fit(
        *backend, make(backend, distillation(2.0, 0.5)), data(), data(), recipe(),
        task=Classification(), seed=1, on_epoch=lambda epoch: None, guide=guide,
    )  # fmt: skip
    assert {images.dtype for images in seen} == {np.dtype(np.uint8)}
    order = np.random.default_rng([1, 0]).permutation(len(IMAGES))
    assert not np.array_equal(np.concatenate(seen[:5]), IMAGES[order])


def test_an_interrupted_training_resumes_to_the_same_bits(backend, mine, tmp_path):
    def again(seed):
        return make(backend, Classification().loss), lambda done: None

    assert_resumes_to_the_same_bits(backend, again, data(), recipe(batch_size=12), tmp_path / "kept")
