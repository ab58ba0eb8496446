"""Importance: the published formulas, checked against differences of the loss."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.compress.channels.analyse import analyse
from edgebuild.compress.channels.importance import magnitude, taylor
from edgebuild.train.losses import cross_entropy, distillation
from tests.compress.channels.models import MODELS, SHAPE, randomize

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def batches(count=2, classes=3):
    generator = np.random.default_rng(0)
    return [
        (
            generator.random((5, *SHAPE)).astype(np.float32),
            generator.integers(0, classes, 5),
            generator.normal(size=(5, classes)).astype(np.float32),
        )
        for _ in range(count)
    ]


def chain(keras, normalized):
    """One convolution, perhaps normalized, and the logits."""
    image = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 3, name="first")(image)
    if normalized:
        x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    return randomize(keras.Model(image, keras.layers.Dense(3, name="logits")(x)))


def slope_of_gate(tf, model, names, index, batch, loss, step=1e-2):
    """The derivative of the loss by a factor on channel ``index`` of what ``names`` compute."""
    weights = [weight for name in names for weight in model.get_layer(name).trainable_weights]
    before = [np.array(weight) for weight in weights]
    values = []
    for factor in (1 + step, 1 - step):
        for weight, value in zip(weights, before, strict=True):
            changed = value.copy()
            changed[..., index] *= factor
            weight.assign(changed)
        values.append(float(loss(tf, model(batch[0], training=False), batch[1], batch[2])))
    for weight, value in zip(weights, before, strict=True):
        weight.assign(value)
    return (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("loss", [cross_entropy, distillation(4.0, 0.7)])
def test_taylor_is_the_squared_slope_of_the_loss_by_a_gate_behind_the_normalization(
    backend, normalized, loss
):
    tf, keras = backend
    model = chain(keras, normalized)
    scores = taylor(tf, model, analyse(model), batches(), loss=loss)["first"]
    gate = ["bn"] if normalized else ["first"]
    slopes = np.array(
        [[slope_of_gate(tf, model, gate, i, batch, loss) for i in range(4)] for batch in batches()]
    )
    assert scores == pytest.approx(np.square(slopes).sum(axis=0), rel=0.05, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_every_channel_of_every_group_has_a_finite_score(backend, name):
    tf, keras = backend
    model = randomize(MODELS[name](keras))
    layout = analyse(model)
    for scores in (magnitude(layout), taylor(tf, model, layout, batches(), loss=cross_entropy)):
        assert {key: value.shape for key, value in scores.items()} == {
            group.name: (group.size,) for group in layout.groups
        }
        assert all(np.isfinite(value).all() and (value >= 0).all() for value in scores.values())


def test_taylor_changes_neither_weights_nor_statistics(backend):
    tf, keras = backend
    model = chain(keras, True)
    before = [np.array(weight) for weight in model.weights]
    taylor(tf, model, analyse(model), batches(1), loss=cross_entropy)
    assert all(np.array_equal(old, np.array(new)) for old, new in zip(before, model.weights, strict=True))


def test_magnitude_is_the_mean_of_the_relative_norms_of_filter_and_gamma(backend):
    model = chain(backend[1], True)
    norms = np.linalg.norm(np.asarray(model.get_layer("first").kernel).reshape(-1, 4), axis=0)
    gamma = np.abs(np.asarray(model.get_layer("bn").gamma))
    expected = (norms / norms.mean() + gamma / gamma.mean()) / 2
    assert magnitude(analyse(model))["first"] == pytest.approx(expected, rel=1e-5)


def test_magnitude_does_not_depend_on_the_scale_of_a_layer(backend):
    model = randomize(MODELS["resnet"](backend[1]))
    layout = analyse(model)
    before = magnitude(layout)
    kernel = model.get_layer("stage0_block0_conv1").kernel
    kernel.assign(np.asarray(kernel) * 64)
    after = magnitude(layout)
    assert all(after[name] == pytest.approx(before[name], rel=1e-5) for name in before)


def test_a_channel_that_is_zero_everywhere_has_no_importance(backend):
    tf, keras = backend
    model = chain(keras, True)
    for name in ("first", "bn"):
        for weight in model.get_layer(name).trainable_weights:
            value = np.array(weight)
            value[..., 2] = 0
            weight.assign(value)
    layout = analyse(model)
    assert magnitude(layout)["first"][2] == 0
    assert taylor(tf, model, layout, batches(), loss=cross_entropy)["first"][2] == 0
