"""From Keras to the graph: the same answers, or a refusal that names the layer."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.errors import GraphError
from edgebuild.graph.freeze import freeze, refusals
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


SUPPORTED = {
    "max pooling": lambda layers, x: layers.MaxPooling2D()(x),
    "max pooling of overlapping windows": lambda layers, x: layers.MaxPooling2D(3, 2, "same")(x),
    "average pooling": lambda layers, x: layers.AveragePooling2D((2, 3), 1, "same")(x),
    "global max pooling": lambda layers, x: layers.GlobalMaxPooling2D()(x),
    "global max pooling that keeps its axes": lambda layers, x: layers.GlobalMaxPooling2D(keepdims=True)(x),
    "global average pooling that keeps its axes": lambda layers, x: layers.GlobalAveragePooling2D(
        keepdims=True
    )(x),
    "padding": lambda layers, x: layers.ZeroPadding2D(((1, 0), (2, 1)))(x),
    "cropping": lambda layers, x: layers.Cropping2D(((1, 0), (2, 1)))(x),
    "padding by nothing": lambda layers, x: layers.Cropping2D(0)(layers.ZeroPadding2D(0)(x)),
    "concatenation of three": lambda layers, x: layers.Concatenate()([x, layers.Conv2D(1, 1)(x), x]),
    "concatenation of vectors": lambda layers, x: layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    ),
    "a sum of three": lambda layers, x: layers.Add()([x, layers.Conv2D(2, 1)(x), x]),
    "a product of a map and channels": lambda layers, x: layers.Multiply()([_channels(layers, x), x]),
    "a product of three": lambda layers, x: layers.Multiply()([x, _channels(layers, x), x]),
    "a separable convolution": lambda layers, x: layers.SeparableConv2D(
        3, (3, 2), 2, "same", activation="relu", bias_initializer="random_normal"
    )(x),
    "batch normalization first": lambda layers, x: layers.BatchNormalization()(x),
    "batch normalization of a vector": lambda layers, x: layers.BatchNormalization()(
        layers.ReLU()(layers.Dense(3)(layers.Flatten()(x)))
    ),
    "batch normalization of a convolution read again": lambda layers, x: _normalized_read_twice(layers, x),
    "rescaling": lambda layers, x: layers.Rescaling(0.5, offset=-1.0)(x),
    "rescaling by channel": lambda layers, x: layers.Rescaling([0.5, -2.0], offset=[0.0, 1.0])(x),
    "normalization": lambda layers, x: layers.Normalization(mean=[0.5, 1.0], variance=[4.0, 0.25])(x),
    "inverted normalization": lambda layers, x: layers.Normalization(
        mean=0.5, variance=4.0, axis=None, invert=True
    )(x),
    "a constant variance": lambda layers, x: layers.Normalization(mean=0.5, variance=0.0, axis=None)(
        x * 1e-6
    ),
    "reshape to a map": lambda layers, x: layers.Reshape((1, 1, 2))(layers.GlobalAveragePooling2D()(x)),
    "reshape to a vector": lambda layers, x: layers.Reshape((128,))(x),
    "reshape of nothing": lambda layers, x: layers.Reshape((8, 8, 2))(x),
    "dense on a map": lambda layers, x: layers.Dense(3, activation="relu")(x),
    "operations with constants": lambda layers, x: (2.0 - (3.0 + x) * 0.5 - 1.0) / 4.0,
    "operations with constants by channel": lambda layers, x: (
        x * np.array([2, -1], np.float32) + np.array([[0.5, 1]], np.float32)
    ),
    "operations between tensors": lambda layers, x: (x + layers.Conv2D(2, 1)(x)) * x,
    "a ReLU whose input is read again": lambda layers, x: _relu_read_twice(layers, x),
    "a ReLU behind a dropout, whose input is read again": lambda layers, x: _relu_behind(
        layers.Dropout(0.5), layers, x
    ),
    "a ReLU behind nothing, whose input is read again": lambda layers, x: _relu_behind(
        layers.Activation("linear"), layers, x
    ),
    "two activations": lambda layers, x: layers.ReLU()(layers.Conv2D(2, 1, activation="tanh")(x)),
    "softmax of channels": lambda layers, x: layers.Softmax()(x),
    "augmentation": lambda layers, x: layers.RandomFlip()(
        layers.RandomRotation(0.2)(layers.RandomZoom(0.1)(x))
    ),
    "augmentation of colours": lambda layers, x: layers.RandomContrast(0.2)(layers.RandomBrightness(0.1)(x)),
}
ACTIVATIONS = (
    "relu", "relu6", "sigmoid", "tanh", "softmax", "silu", "swish", "hard_silu", "hard_swish", "hard_sigmoid", "linear",
)  # fmt: skip


def _channels(layers, x):
    return layers.GlobalAveragePooling2D(keepdims=True)(x)


def _normalized_read_twice(layers, x):
    y = layers.Conv2D(2, 1)(x)
    return layers.Add()([y, layers.BatchNormalization()(y)])


def _relu_read_twice(layers, x):
    y = layers.Conv2D(2, 1)(x)
    return layers.Add()([y, layers.ReLU()(y)])


def _relu_behind(identity, layers, x):
    y = layers.Conv2D(2, 1)(x)
    return layers.Add()([layers.ReLU()(identity(y)), y])


def with_head(keras, body):
    image = keras.Input((8, 8, 2))
    return unsettle(keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(body(image)))))


@pytest.mark.parametrize("case", SUPPORTED)
def test_other_layers_compute_the_same(backend, case):
    _, keras = backend
    assert_same(with_head(keras, lambda x: SUPPORTED[case](keras.layers, x)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_compute_the_same_on_their_own_and_as_part_of_a_layer(backend, name):
    _, keras = backend
    layers = keras.layers
    convolution = layers.Conv2D(2, 1, activation=name, bias_initializer="random_normal")
    assert_same(with_head(keras, lambda x: layers.Activation(name)(convolution(x))))


def test_functions_of_keras_ops_and_tensorflow_are_known(backend):
    tensorflow, keras = backend
    functions = (keras.ops.relu6, keras.ops.silu, keras.ops.tanh, keras.ops.hard_sigmoid, keras.ops.softmax)

    def body(x):
        for function in functions:
            x = function(keras.layers.Conv2D(2, 1, activation=tensorflow.nn.relu6)(x))
        return x

    assert_same(with_head(keras, body))


def test_models_inside_models_are_taken_apart(backend):
    _, keras = backend
    layers = keras.layers
    image = keras.Input((8, 8, 2))
    body = keras.Model(image, layers.ReLU(name="same")(layers.Conv2D(4, 3, name="conv")(image)), name="body")
    stack = keras.Sequential([keras.Input((6, 6, 4)), layers.Conv2D(2, 3, name="conv"), body_norm(layers)])
    model = with_head(keras, lambda x: stack(body(layers.ReLU(name="same")(x))))
    assert_same(model)
    assert "body_conv" in [node.name for node in freeze(model, LABELS)]


def body_norm(layers):
    return layers.BatchNormalization(name="norm")


def test_padding_that_is_exactly_same_becomes_part_of_the_convolution(backend):
    _, keras = backend
    layers = keras.layers

    def body(x):  # 8 wide: one pixel, at the end; symmetric padding of 3×3 at stride 1
        x = layers.Conv2D(2, 3, 2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
        x = layers.DepthwiseConv2D(3)(layers.ZeroPadding2D(1)(x))
        return layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(layers.ReLU()(x)))

    model = with_head(keras, body)
    assert_same(model)
    assert "pad" not in {node.op for node in freeze(model, LABELS)}


@pytest.mark.parametrize("case", ["other sides", "negative values", "average", "read again"])
def test_padding_that_is_not_same_stays(backend, case):
    _, keras = backend
    layers = keras.layers

    def body(x):
        sides = ((1, 0), (1, 0)) if case == "other sides" else ((0, 1), (0, 1))
        padded = layers.ZeroPadding2D(sides)(x)
        if case == "negative values":
            return layers.MaxPooling2D(3, 2)(padded)
        if case == "average":
            return layers.AveragePooling2D(3, 2)(layers.ZeroPadding2D(sides)(layers.ReLU()(x)))
        y = layers.Conv2D(2, 3, 2)(padded)
        other = layers.MaxPooling2D(3, 2)(padded)
        return layers.Add()([y, other]) if case == "read again" else y

    model = with_head(keras, body)
    assert_same(model)
    assert "pad" in {node.op for node in freeze(model, LABELS)}


def test_consecutive_affine_maps_are_one(backend):
    _, keras = backend
    layers = keras.layers
    model = with_head(
        keras, lambda x: layers.BatchNormalization()(layers.Normalization(mean=1, variance=2)(x * 3.0) + 1.0)
    )
    assert_same(model)
    assert [node.op for node in freeze(model, LABELS)] == ["input", "depthwise_conv2d", "flatten", "dense"]


def test_a_final_softmax_stays_in_the_graph(backend):
    _, keras = backend
    image = keras.Input((8,))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="last")(image))
    assert_same(model)
    graph = freeze(model, LABELS, pixel_scale=1)
    assert (graph.output.op, graph.output.activation, graph.pixel_scale) == ("activation", "softmax", 1)


REFUSED = {
    "dilation": lambda layers, x: layers.Conv2D(2, 3, dilation_rate=2)(x),
    "dilation of a separable convolution": lambda layers, x: layers.SeparableConv2D(2, 3, dilation_rate=2)(x),
    "groups": lambda layers, x: layers.Conv2D(2, 3, groups=2)(x),
    "depth multiplier": lambda layers, x: layers.DepthwiseConv2D(3, depth_multiplier=2)(x),
    "depth multiplier of a separable convolution": lambda layers, x: layers.SeparableConv2D(
        2, 3, depth_multiplier=2
    )(x),
    "leaky ReLU": lambda layers, x: layers.LeakyReLU()(x),
    "broadcast": lambda layers, x: layers.Add()([x, layers.Conv2D(1, 1)(x)]),
    "a product of other shapes": lambda layers, x: layers.Multiply()([x, layers.Conv2D(1, 1)(x)]),
    "a layer used twice": lambda layers, x: _shared(layers, x),
    "a ReLU used twice": lambda layers, x: _shared_relu(layers, x),
    "concatenation of rows": lambda layers, x: layers.Concatenate(axis=1)([x, x]),
    "softmax of rows": lambda layers, x: layers.Softmax(axis=1)(x),
    "reshape of rows": lambda layers, x: layers.Reshape((4, 16, 2))(x),
    "rescaling of columns": lambda layers, x: layers.Rescaling(np.ones((8, 1)))(x),
    "normalization of columns": lambda layers, x: layers.Normalization(axis=(2, 3))(x),
    "dense on rows": lambda layers, x: layers.Dense(2)(layers.Reshape((128, 1))(layers.Flatten()(x))),
    "ReLU with another bound": lambda layers, x: layers.ReLU(max_value=3)(layers.Conv2D(2, 1)(x)),
    "ReLU bounded by zero": lambda layers, x: layers.ReLU(max_value=0)(layers.Conv2D(2, 1)(x)),
    "an activation that is a layer": lambda layers, x: layers.Conv2D(2, 1, activation=layers.LeakyReLU())(x),
    "an activation of the user's": lambda layers, x: layers.Conv2D(2, 1, activation=relu)(x),
    "normalization of rows": lambda layers, x: layers.BatchNormalization(axis=1)(layers.Conv2D(2, 1)(x)),
    "pooling of another layout": lambda layers, x: layers.GlobalAveragePooling2D("channels_first")(x),
    "float16": lambda layers, x: layers.Dense(3, dtype="float16")(layers.Flatten()(x)),
}

REFUSED_OPERATIONS = {
    "a power": lambda x: x**2,
    "a difference of tensors": lambda x: x - x,
    "a constant by a tensor": lambda x: 1.0 / x,
    "a division by zero": lambda x: x / 0.0,
    "a constant that is not finite": lambda x: x * np.inf,
    "a constant by pixel": lambda x: x + np.ones((8, 8, 2), np.float32),
    "a constant that broadcasts the tensor": lambda x: x[:, :, :, :1] + np.ones(2, np.float32),
}


def relu(x):
    """Not what its name says."""
    return x


def _shared(layers, x):
    convolution = layers.Conv2D(2, 1, name="shared")
    return convolution(convolution(x))


def _shared_relu(layers, x):
    activation = layers.ReLU(name="shared")
    return activation(layers.Conv2D(2, 1)(activation(layers.Conv2D(2, 1)(x))))


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_graph_cannot_hold_is_refused_by_name(backend, case):
    _, keras = backend
    image = keras.Input((8, 8, 2))
    model = keras.Model(image, REFUSED[case](keras.layers, image))
    with pytest.raises(GraphError, match=r"layer '\w+' \(\w+\) cannot be exported"):
        freeze(model, LABELS)


@pytest.mark.parametrize("case", REFUSED_OPERATIONS)
def test_operations_that_the_graph_cannot_hold_are_refused(backend, case):
    _, keras = backend
    with pytest.raises(GraphError, match=r"layer '\w+' \(ops\.\w+\) cannot be exported"):
        freeze(with_head(keras, REFUSED_OPERATIONS[case]), LABELS)


def test_a_class_of_the_users_is_refused_whatever_its_name(backend):
    _, keras = backend

    class ReLU(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    with pytest.raises(GraphError, match=r"\(.*test_freeze\.ReLU\) cannot be exported"):
        freeze(with_head(keras, ReLU()), LABELS)


def test_all_that_is_unsupported_is_named_at_once_with_what_to_do(backend):
    _, keras = backend
    layers = keras.layers
    model = with_head(
        keras,
        lambda x: layers.LeakyReLU(name="a")(layers.Conv2D(2, 3, groups=2, dilation_rate=2, name="b")(x)),
    )
    found = refusals(model)
    assert [line.split(")")[0] for line in found] == [
        "layer 'b' (Conv2D", "layer 'b' (Conv2D", "layer 'a' (LeakyReLU",
    ]  # fmt: skip
    assert found[-1].endswith("its type is not supported; use ReLU")
    with pytest.raises(GraphError, match="3 problems(.|\n)*'b'(.|\n)*'a'(.|\n)*supported are Activation"):
        freeze(model, LABELS)


def test_what_can_be_frozen_has_no_refusals(backend):
    _, keras = backend
    assert refusals(resnet(keras, (11, 9, 2), 3, width=4, blocks=2, stages=3)) == []


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
