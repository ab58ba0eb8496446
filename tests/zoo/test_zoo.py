"""The architectures: shapes, sizes counted by hand, and logits at the end."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.zoo.ds_cnn import ds_cnn
from edgebuild.zoo.resnet import resnet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_resnet_has_the_parameters_that_one_counts(backend):
    model = resnet(backend[1], (8, 8, 1), 10, width=4, blocks=1, stages=2)
    norm = 4  # gamma, beta, mean and variance of a channel
    stem = 9 * 1 * 4 + norm * 4
    first = 2 * (9 * 4 * 4 + norm * 4)
    second = (9 * 4 * 8 + norm * 8) + (9 * 8 * 8 + norm * 8) + (4 * 8 + norm * 8)
    assert model.count_params() == stem + first + second + 8 * 10 + 10


def test_a_ds_cnn_has_the_parameters_that_one_counts(backend):
    model = ds_cnn(backend[1], (8, 8, 1), 10, width=4, blocks=1, stages=2, stem_stride=2)
    norm = 4
    stem = 9 * 1 * 4 + norm * 4
    first = (9 * 4 + norm * 4) + (4 * 4 + norm * 4)
    second = (9 * 4 + norm * 4) + (4 * 8 + norm * 8)
    assert model.count_params() == stem + first + second + 8 * 10 + 10


def test_stages_halve_the_image_and_double_the_channels(backend):
    teacher = resnet(backend[1], (9, 7, 3), 5, width=4, blocks=2, stages=3)
    student = ds_cnn(backend[1], (9, 7, 3), 5, width=4, blocks=2, stages=3, stem_stride=1)
    for stage, shape in enumerate([(9, 7, 4), (5, 4, 8), (3, 2, 16)]):
        assert teacher.get_layer(f"stage{stage}_block1_relu1").output.shape[1:] == shape
        assert student.get_layer(f"stage{stage}_block1_relu").output.shape[1:] == shape


def test_the_stem_of_a_ds_cnn_may_halve_the_image(backend):
    model = ds_cnn(backend[1], (9, 7, 3), 5, width=4, blocks=1, stages=1, stem_stride=2)
    assert model.get_layer("stem").output.shape[1:] == (5, 4, 4)


def test_a_block_that_keeps_its_shape_has_a_residual_add(backend):
    model = ds_cnn(backend[1], (8, 8, 1), 5, width=4, blocks=2, stages=2, stem_stride=1)
    adds = [layer.name for layer in model.layers if layer.name.endswith("_add")]
    assert adds == ["stage0_block0_add", "stage0_block1_add", "stage1_block1_add"]


@pytest.mark.parametrize("shape", [(9, 7, 3), (1, 1, 1)])
@pytest.mark.parametrize("name", ["resnet", "ds_cnn"])
def test_the_output_is_logits_and_no_probabilities(backend, name, shape):
    _, keras = backend
    if name == "resnet":
        model = resnet(keras, shape, 5, width=4, blocks=1, stages=2)
    else:
        model = ds_cnn(keras, shape, 5, width=4, blocks=1, stages=2, stem_stride=1)
    images = np.random.default_rng(0).random((6, *shape)).astype(np.float32)
    logits = model(images, training=False).numpy()
    assert (logits.shape, logits.dtype) == ((6, 5), np.float32)
    assert model.get_layer("logits").activation is keras.activations.linear
    model.get_layer("logits").bias.assign([-1, 0, 1, 2, 3])
    np.testing.assert_allclose(
        model(images, training=False).numpy() - logits, np.tile([-1, 0, 1, 2, 3], (6, 1)), atol=1e-5
    )
