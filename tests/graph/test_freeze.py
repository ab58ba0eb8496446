"""From Keras to the graph: the same answers, or a refusal that names the layer."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.errors import GraphError
from edgebuild.graph.freeze import freeze
from edgebuild.graph.run import run
from edgebuild.zoo.ds_cnn import ds_cnn
from edgebuild.zoo.resnet import resnet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
LABELS = ("a", "b", "c")


def unsettle(model):
    """Give batch normalizations statistics that training would."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(generator.normal(0, 0.3, shape))
            layer.moving_variance.assign(generator.uniform(0.5, 1.5, shape))
            if layer.scale:
                layer.gamma.assign(generator.uniform(0.5, 1.5, shape))
            if layer.center:
                layer.beta.assign(generator.normal(0, 0.3, shape))
    return model


def assert_same(model):
    images = np.random.default_rng(1).normal(0, 2, (16, *model.inputs[0].shape[1:])).astype(np.float32)
    expected = model(images, training=False).numpy()
    found = run(freeze(unsettled := model, LABELS), images)
    assert unsettled is model
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


def test_the_architectures_of_the_zoo_compute_the_same(backend):
    _, keras = backend
    assert_same(unsettle(resnet(keras, (11, 9, 2), 3, width=4, blocks=2, stages=3)))
    assert_same(unsettle(ds_cnn(keras, (11, 9, 2), 3, width=4, blocks=2, stages=2, stem_stride=2)))


def test_every_supported_layer_in_its_other_forms_computes_the_same(backend):
    _, keras = backend
    layers = keras.layers
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, activation="relu", bias_initializer="random_normal")(image)
    x = layers.Dropout(0.5)(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(scale=False, center=False)(x)
    x = layers.ReLU(max_value=6)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(5)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.Dense(3, activation="linear")(x)
    assert_same(unsettle(keras.Model(image, x)))


def test_zeros_stay_zeros_when_batch_normalization_is_folded(backend):
    _, keras = backend
    model = unsettle(ds_cnn(keras, (8, 8, 1), 3, width=4, blocks=1, stages=1, stem_stride=1))
    kernel = np.array(model.get_layer("stem").kernel)
    kernel[0] = 0
    model.get_layer("stem").kernel.assign(kernel)
    assert not freeze(model, LABELS)["stem"].weights["kernel"].values[0].any()


def test_a_sequential_model_computes_the_same(backend):
    _, keras = backend
    layers = keras.layers
    stack = [keras.Input((6, 6, 1)), layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten(), layers.Dense(3)]
    assert_same(keras.Sequential(stack))


def test_a_layer_may_belong_to_another_model_too(backend):
    _, keras = backend
    shared = keras.layers.Conv2D(2, 3, name="shared")
    shared(keras.Input((9, 9, 1)))
    image = keras.Input((6, 6, 1))
    assert_same(keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(shared(image)))))


def test_a_layer_that_the_output_does_not_need_is_left_out(backend):
    _, keras = backend
    image = keras.Input((4,))
    hidden = keras.layers.Dense(3, name="hidden")(image)
    whole = keras.Model(image, keras.layers.Dense(2, name="head")(hidden))
    cut = keras.Model(whole.input, whole.get_layer("hidden").output)
    assert [node.name for node in freeze(cut, LABELS)][1:] == ["hidden"]


REFUSED = {
    "max pooling": lambda layers, x: layers.MaxPooling2D()(x),
    "dilation": lambda layers, x: layers.Conv2D(2, 3, dilation_rate=2)(x),
    "groups": lambda layers, x: layers.Conv2D(2, 3, groups=2)(x),
    "depth multiplier": lambda layers, x: layers.DepthwiseConv2D(3, depth_multiplier=2)(x),
    "batch normalization first": lambda layers, x: layers.BatchNormalization()(layers.Add()([x, x])),
    "leaky ReLU": lambda layers, x: layers.LeakyReLU()(x),
    "concatenation": lambda layers, x: layers.Concatenate()([x, x]),
    "softmax": lambda layers, x: layers.Dense(3, activation="softmax")(layers.Flatten()(x)),
    "dense on a map": lambda layers, x: layers.Dense(3)(x),
    "a ReLU whose input is read again": lambda layers, x: _relu_read_twice(layers, x),
    "broadcast": lambda layers, x: layers.Add()([x, layers.Conv2D(1, 1)(x)]),
    "a layer used twice": lambda layers, x: _shared(layers, x),
    "a ReLU used twice": lambda layers, x: _shared_relu(layers, x),
    "a ReLU behind a dropout, whose input is read again": lambda layers, x: _relu_behind(
        layers.Dropout(0.5), layers, x
    ),
    "a ReLU behind nothing, whose input is read again": lambda layers, x: _relu_behind(
        layers.Activation("linear"), layers, x
    ),
    "an operation that is no layer": lambda layers, x: layers.Flatten()(layers.Conv2D(2, 1)(x) + x),
    "ReLU with another bound": lambda layers, x: layers.ReLU(max_value=3)(layers.Conv2D(2, 1)(x)),
    "ReLU bounded by zero": lambda layers, x: layers.ReLU(max_value=0)(layers.Conv2D(2, 1)(x)),
    "an activation that is a layer": lambda layers, x: layers.Conv2D(2, 1, activation=layers.LeakyReLU())(x),
    "normalization of rows": lambda layers, x: layers.BatchNormalization(axis=1)(layers.Conv2D(2, 1)(x)),
    "pooling of another layout": lambda layers, x: layers.GlobalAveragePooling2D("channels_first")(x),
    "pooling that keeps its axes": lambda layers, x: layers.GlobalAveragePooling2D(keepdims=True)(x),
    "a sum of three": lambda layers, x: layers.Add()([x, x, x]),
    "float16": lambda layers, x: layers.Dense(3, dtype="float16")(layers.Flatten()(x)),
    "two activations": lambda layers, x: layers.ReLU()(layers.Conv2D(2, 1, activation="relu")(x)),
}


def _relu_read_twice(layers, x):
    y = layers.Conv2D(2, 1)(x)
    return layers.Add()([y, layers.ReLU()(y)])


def _shared(layers, x):
    convolution = layers.Conv2D(2, 1, name="shared")
    return convolution(convolution(x))


def _shared_relu(layers, x):
    relu = layers.ReLU(name="shared")
    return relu(layers.Conv2D(2, 1)(relu(layers.Conv2D(2, 1)(x))))


def _relu_behind(identity, layers, x):
    y = layers.Conv2D(2, 1)(x)
    return layers.Add()([layers.ReLU()(identity(y)), y])


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_graph_cannot_hold_is_refused_by_name(backend, case):
    _, keras = backend
    image = keras.Input((8, 8, 2))
    model = keras.Model(image, REFUSED[case](keras.layers, image))
    with pytest.raises(GraphError, match=r"layer '\w+' \(\w+\) cannot be exported"):
        freeze(model, LABELS)


def test_two_outputs_are_refused(backend):
    _, keras = backend
    image = keras.Input((8, 8, 2))
    outputs = [keras.layers.Flatten()(image), keras.layers.GlobalAveragePooling2D()(image)]
    with pytest.raises(GraphError, match="1 inputs and 2 outputs"):
        freeze(keras.Model(image, outputs), LABELS)


def test_weights_that_are_not_finite_are_refused(backend):
    _, keras = backend
    model = ds_cnn(keras, (8, 8, 1), 3, width=4, blocks=1, stages=1, stem_stride=1)
    model.get_layer("logits").bias.assign([0, np.nan, 0])
    with pytest.raises(GraphError, match="'logits'.*not finite"):
        freeze(model, LABELS)


def test_two_inputs_are_refused(backend):
    _, keras = backend
    one, other = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(GraphError, match="2 inputs and 1 outputs"):
        freeze(keras.Model([one, other], keras.layers.Add()([one, other])), LABELS)


def test_a_sequential_model_without_an_input_is_refused(backend):
    _, keras = backend
    with pytest.raises(GraphError, match="begins with keras.Input"):
        freeze(keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)]), LABELS)


def test_an_input_of_unknown_size_is_refused(backend):
    _, keras = backend
    image = keras.Input((None, None, 3))
    with pytest.raises(GraphError, match=r"\(None, None, 3\) is not fixed"):
        freeze(keras.Model(image, keras.layers.GlobalAveragePooling2D()(image)), LABELS)


@pytest.mark.parametrize(("shape", "width"), [((4,), 2), ((4, 4, 3), None)])
def test_an_output_that_is_not_one_logit_per_label_is_refused(backend, shape, width):
    _, keras = backend
    image = keras.Input(shape)
    output = keras.layers.Dense(width)(image) if width else keras.layers.Conv2D(3, 1)(image)
    with pytest.raises(GraphError, match="one logit for each of 3 labels"):
        freeze(keras.Model(image, output), LABELS)


def test_a_model_that_does_nothing_is_refused(backend):
    _, keras = backend
    image = keras.Input((3,))
    with pytest.raises(GraphError, match="one logit for each of 3 labels"):
        freeze(keras.Model(image, keras.layers.Dropout(0.1)(image)), LABELS)


@pytest.mark.parametrize(
    ("statistic", "value"), [("moving_mean", np.nan), ("moving_variance", np.inf), ("moving_variance", -1.0)]
)
def test_statistics_that_cannot_be_folded_are_refused(backend, statistic, value):
    _, keras = backend
    model = ds_cnn(keras, (8, 8, 1), 3, width=4, blocks=1, stages=1, stem_stride=1)
    variable = getattr(model.get_layer("stem_bn"), statistic)
    variable.assign(np.full(4, value, np.float32))
    with pytest.raises(GraphError, match="'stem_bn'.*statistics"):
        freeze(model, LABELS)
