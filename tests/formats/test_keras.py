"""Keras files: canonical bytes that plain Keras loads."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.formats import keras as keras_format
from edgebuild.zoo.ds_cnn import ds_cnn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def make(keras):
    return ds_cnn(keras, (8, 8, 1), 3, width=4, blocks=1, stages=2, stem_stride=1)


def test_plain_keras_loads_the_file_and_predicts_the_same(backend, tmp_path):
    _, keras = backend
    model = make(keras)
    keras_format.write(model, tmp_path / "model.keras")
    images = np.random.default_rng(0).random((5, 8, 8, 1)).astype(np.float32)
    expected = model(images, training=False).numpy()
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images, training=False).numpy(), expected)
    session = keras_format.load(tmp_path / "model.keras", threads=1)
    np.testing.assert_allclose(session.predict(images), expected, atol=1e-6)
    np.testing.assert_allclose(session.bind(images[:1])(), expected[:1], atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_canonical_file_is_its_own_canonical_form(backend, tmp_path):
    _, keras = backend
    keras_format.write(make(keras), tmp_path / "model.keras")
    content = (tmp_path / "model.keras").read_bytes()
    assert keras_format.canonical(content) == content


@pytest.mark.slow
def test_two_processes_train_and_write_the_same_bytes(tmp_path):
    """Weights, order of batches, augmentation and file: all of it comes from the seed."""
    code = """
import sys, numpy as np
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from edgebuild.formats import keras as keras_format
from edgebuild.tasks.classification import Classification
from edgebuild.train.backend import load
from edgebuild.train.loop import fit, keras_trainee
from edgebuild.train.losses import cross_entropy
from edgebuild.zoo.ds_cnn import ds_cnn
tf, keras = load(seed=3, threads=2)
generator = np.random.default_rng(0)
data = SimpleNamespace(images=generator.integers(0, 255, (200, 8, 8, 1)).astype(np.uint8),
                       labels=generator.integers(0, 3, 200), scale=1 / 255)
recipe = SimpleNamespace(epochs=2, batch_size=32, learning_rate=1e-2, weight_decay=1e-3, shift=1, flip=True, augment="")
model = ds_cnn(keras, (8, 8, 1), 3, width=4, blocks=1, stages=2, stem_stride=1)
trainee = keras_trainee(tf, model, data.scale, cross_entropy)
fit(tf, keras, trainee, data, data, recipe, task=Classification(), seed=3, on_epoch=lambda epoch: None)
keras_format.write(model, Path(sys.argv[1]))
"""
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / f"{seed}.keras")],
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
    assert (tmp_path / "1.keras").read_bytes() == (tmp_path / "2.keras").read_bytes()


def test_a_damaged_file_is_named(backend, tmp_path):
    path = tmp_path / "model.keras"
    with pytest.raises(DataError, match="does not exist"):
        keras_format.load_model(backend[1], path)
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="Keras refuses .*model.keras"):
        keras_format.load_model(backend[1], path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_named(backend, tmp_path, share):
    path = tmp_path / "model.keras"
    keras_format.write(make(backend[1]), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="Keras refuses .*model.keras"):
        keras_format.load_model(backend[1], path)


def test_a_file_with_damaged_bytes_is_named_or_loads(backend, tmp_path):
    """Whatever a flipped bit breaks in the zip, the JSON or the weights, there is no traceback."""
    path = tmp_path / "model.keras"
    keras_format.write(make(backend[1]), path)
    content = path.read_bytes()
    refused = []
    for position in np.random.default_rng(0).integers(0, len(content), 40):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        try:
            keras_format.load_model(backend[1], path)
        except DataError as error:
            refused.append(str(error))
    assert refused
    assert all(str(path) in message for message in refused)


class Unsavable:
    """A model whose saving breaks off half-way, as on a full disk."""

    def save(self, path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")


def test_a_failed_save_leaves_nothing_behind_and_keeps_the_file_that_was_there(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"before")
    with pytest.raises(OSError, match="No space left"):
        keras_format.write(Unsavable(), tmp_path / "model.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    assert (tmp_path / "model.keras").read_bytes() == b"before"


def test_equal_models_give_equal_bytes_in_one_process_too(backend, tmp_path):
    _, keras = backend
    for name in ("one", "other"):
        keras.utils.set_random_seed(4)
        keras_format.write(make(keras), tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()
