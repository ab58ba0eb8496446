"""Feature transfer: paired maps, the formula of attention transfer, and what is trained by it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgebuild.compress.features import attention_loss, feature_trainee, paired_maps
from edgebuild.errors import UsageError
from edgebuild.tasks.classification import Classification
from edgebuild.train.loop import fit
from edgebuild.train.losses import cross_entropy
from edgebuild.zoo.ds_cnn import ds_cnn
from edgebuild.zoo.resnet import resnet
from tests.train.interrupted import assert_resumes_to_the_same_bits

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def networks(backend):
    _, keras = backend
    keras.utils.set_random_seed(3)
    student = ds_cnn(keras, (8, 8, 1), 3, width=4, blocks=1, stages=2, stem_stride=1)
    return student, resnet(keras, (8, 8, 1), 3, width=8, blocks=1, stages=2)


def test_the_last_maps_of_each_common_size_are_paired(networks):
    pairs = paired_maps(*networks)
    assert [(own.shape[1:3], theirs.shape[1:3]) for own, theirs in pairs] == [((8, 8),) * 2, ((4, 4),) * 2]
    assert [own._keras_history.operation.name for own, _ in pairs] == [
        "stage0_block0_relu",
        "stage1_block0_relu",
    ]


def test_networks_without_a_common_size_are_refused(backend):
    _, keras = backend
    student = ds_cnn(keras, (8, 8, 1), 3, width=4, blocks=1, stages=1, stem_stride=2)
    with pytest.raises(UsageError, match=r"distill.features.*\(4, 4\).*\(8, 8\)"):
        paired_maps(student, resnet(keras, (8, 8, 1), 3, width=4, blocks=1, stages=1))


def test_attention_is_the_formula_of_the_paper(backend):
    generator = np.random.default_rng(0)
    own, theirs = (generator.normal(size=(5, 4, 3, c)).astype(np.float32) for c in (2, 6))
    energies = [np.square(maps.astype(np.float64)).sum(-1).reshape(5, -1) for maps in (own, theirs)]
    normalized = [energy / np.linalg.norm(energy, axis=1, keepdims=True) for energy in energies]
    expected = np.square(normalized[0] - normalized[1]).sum(axis=1).mean()
    assert float(attention_loss(backend[0], own, theirs)) == pytest.approx(expected, rel=1e-5)


def test_maps_of_the_same_shape_of_attention_have_no_loss(backend):
    maps = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    assert float(attention_loss(backend[0], maps, 7 * maps)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["attention", "hint"])
def test_the_student_learns_and_the_teacher_stays(backend, networks, kind):
    tf, keras = backend
    student, teacher = networks
    before = [np.array(weight) for weight in teacher.weights]
    generator = np.random.default_rng(0)
    data = SimpleNamespace(
        images=generator.integers(0, 256, (60, 8, 8, 1)).astype(np.uint8),
        labels=np.arange(60) % 3,
        scale=1 / 255,
    )
    recipe = SimpleNamespace(
        epochs=6, batch_size=20, learning_rate=1e-2, weight_decay=0.0, shift=0, flip=False, augment=""
    )
    trainee = feature_trainee(
        tf, keras, student, teacher, scale=data.scale, loss=cross_entropy, kind=kind, beta=1.0
    )
    assert (len(trainee.variables) > len(student.trainable_variables)) == (kind == "hint")
    epochs = []
    fit(tf, keras, trainee, data, data, recipe, task=Classification(), seed=1, on_epoch=epochs.append)
    assert epochs[-1].metrics["loss"] < epochs[0].metrics["loss"]
    assert all(np.array_equal(old, np.array(new)) for old, new in zip(before, teacher.weights, strict=True))


def test_an_interrupted_training_resumes_with_its_regressors_to_the_same_bits(backend, networks, tmp_path):
    tf, keras = backend
    _, teacher = networks
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (9, 8, 8, 1)).astype(np.uint8)
    data = SimpleNamespace(images=images, labels=np.arange(9) % 3, scale=1 / 255)
    recipe = SimpleNamespace(
        epochs=2, batch_size=5, learning_rate=1e-2, weight_decay=0.0, shift=0, flip=False, augment=""
    )

    def make(seed):
        keras.utils.set_random_seed(seed)
        student = ds_cnn(keras, (8, 8, 1), 3, width=4, blocks=1, stages=1, stem_stride=1)
        trainee = feature_trainee(
            tf, keras, student, teacher, scale=data.scale, loss=cross_entropy, kind="hint", beta=1.0
        )
        return trainee, lambda done: None

    assert_resumes_to_the_same_bits(backend, make, data, recipe, tmp_path)
