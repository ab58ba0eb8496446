"""Surgery: what is cut away is all that changes."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.compress.channels.analyse import analyse
from edgebuild.compress.channels.cost import macs, parameters
from edgebuild.compress.channels.shrink import shrink
from edgebuild.formats import keras as keras_format
from tests.compress.channels.models import MODELS, randomize

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def some(layout, seed):
    """A random part of every group, at least one channel."""
    generator = np.random.default_rng(seed)
    counts = {group.name: generator.integers(1, group.size + 1) for group in layout.groups}
    return {
        group.name: np.sort(generator.permutation(group.size)[: counts[group.name]])
        for group in layout.groups
    }


def silence(layout, keep):
    """Make the channels that are not kept zero: their filters, biases, gamma, beta and moving means."""
    stays = layout.kept(keep)
    for part in layout.parts:
        if part.makes is not None and "variance" not in part.weight.path:
            axis, channels = part.makes
            shape = [1] * len(part.weight.shape)
            shape[axis] = -1
            part.weight.assign(np.asarray(part.weight) * stays[channels].reshape(shape).astype(np.float32))


def answer(model, shape, seed=5):
    images = np.random.default_rng(seed).random((3, *shape)).astype(np.float32)
    return np.asarray(model(images, training=False))


def unchanged(model, seed):
    """Cut random channels that are zero; the largest answer, and how far the two models are apart."""
    layout = analyse(model)
    keep = some(layout, seed)
    silence(layout, keep)
    smaller = shrink(model, layout, keep)
    assert smaller.count_params() < model.count_params()
    before, after = (answer(network, model.input_shape[1:]) for network in (model, smaller))
    return np.abs(before).max(), np.abs(before - after).max()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_removing_channels_that_are_zero_changes_nothing(backend, name, seed):
    size, error = unchanged(randomize(MODELS[name](backend[1]), seed), seed)
    assert size > 0.05
    assert error <= 1e-5 * max(size, 1)


def test_removing_channels_of_mobilenet_v2_that_are_zero_changes_nothing(backend):
    build = backend[1].applications.MobileNetV2
    model = build(input_shape=(32, 32, 3), weights=None, alpha=0.35, classes=3, classifier_activation=None)
    size, error = unchanged(randomize(model), 1)
    assert size > 0.05
    assert error <= 1e-5 * max(size, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ResNet50", "MobileNetV3Small", "EfficientNetB0", "DenseNet121", "Xception"]
)
def test_removing_channels_of_known_networks_that_are_zero_changes_nothing(backend, name):
    build = getattr(backend[1].applications, name)
    size = 71 if name == "Xception" else 32
    model = build(input_shape=(size, size, 3), weights=None, classes=3, classifier_activation=None)
    size, error = unchanged(randomize(model), 1)
    assert size > 0.05
    assert error <= 1e-5 * max(size, 1)


@pytest.mark.parametrize("name", MODELS)
def test_the_smaller_network_costs_what_was_counted(backend, name):
    model = MODELS[name](backend[1])
    layout = analyse(model)
    keep = some(layout, 3)
    smaller = shrink(model, layout, keep)
    assert smaller.count_params() == parameters(layout, keep)
    assert macs(analyse(smaller)) == macs(layout, keep)


def test_names_order_and_settings_are_kept_and_the_model_stays_as_it_is(backend):
    model = randomize(MODELS["resnet"](backend[1]))
    before = [np.array(weight) for weight in model.weights]
    layout = analyse(model)
    smaller = shrink(model, layout, some(layout, 1))
    assert smaller.name == model.name
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    assert smaller.get_layer("stem_bn").momentum == model.get_layer("stem_bn").momentum
    assert all(np.array_equal(old, np.array(new)) for old, new in zip(before, model.weights, strict=True))


def test_the_weights_that_stay_are_those_of_the_model(backend):
    model = randomize(MODELS["concatenated"](backend[1]))
    layout = analyse(model)
    smaller = shrink(model, layout, {"left": np.array([1, 3]), "stem": np.array([0, 2, 4])})
    kernel, cut = (np.asarray(network.get_layer("after").kernel) for network in (model, smaller))
    reads = [1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14]  # of left 4, right 6, stem 5
    assert np.array_equal(cut, kernel[:, :, reads])
    mean = np.asarray(model.get_layer("bn").moving_mean)[reads]
    assert np.array_equal(np.asarray(smaller.get_layer("bn").moving_mean), mean)


def test_the_same_cut_gives_the_same_file(backend, tmp_path):
    for name in "ab":
        model = randomize(MODELS["ds_cnn"](backend[1]))
        layout = analyse(model)
        keras_format.write(shrink(model, layout, some(layout, 1)), tmp_path / f"{name}.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()


def test_a_model_can_be_cut_again(backend):
    model = randomize(MODELS["ds_cnn"](backend[1]))
    for _ in range(2):
        layout = analyse(model)
        model = shrink(model, layout, {"stem": np.arange(layout.groups[0].size - 2)})
    assert model.get_layer("stem").filters == 4
