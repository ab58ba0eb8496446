"""What other tools write of a Keras model is read back: TensorFlow's converter, tf2onnx, SavedModels."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.errors import DataError, GraphError
from edgebuild.graph.run import run
from edgebuild.importers.onnx import read_onnx
from edgebuild.importers.savedmodel import read_savedmodel
from edgebuild.importers.tflite import read_tflite

# TensorFlow's converter and Keras' ONNX export use what NumPy and TensorFlow deprecate.
pytestmark = pytest.mark.filterwarnings("ignore")


def maps(keras):
    """Unlike sides and strides, batch normalization, a residual sum, a flattening, a softmax at the end."""
    layers = keras.layers
    image = keras.Input((9, 8, 2), name="image")
    x = layers.Conv2D(8, 3, strides=(2, 1), padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x))
    x = layers.Add()([x, layers.Conv2D(8, 1, name="pointwise")(y)])
    gate = layers.Dense(8, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Concatenate()([layers.Activation("hard_silu")(layers.Multiply()([x, gate])), y])
    x = layers.AveragePooling2D(2, padding="same")(layers.ZeroPadding2D(((1, 0), (0, 2)))(x))
    x = layers.Flatten()(layers.MaxPooling2D((2, 1))(x))
    x = layers.Dense(7, activation="tanh", name="hidden")(layers.Dropout(0.5)(x))
    return keras.Model(image, layers.Dense(4, activation="softmax", name="logits")(x), name="maps")


def signal(keras):
    layers = keras.layers
    window = keras.Input((32, 3), name="window")
    x = layers.Conv1D(8, 5, padding="same", activation="silu", name="first")(window)
    x = layers.Conv1D(6, 3, strides=2, name="second")(layers.MaxPooling1D(2)(x))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(
        window, layers.Dense(4, name="logits")(layers.GlobalAveragePooling1D()(x)), name="signal"
    )


def mobile(keras):
    """MobileNetV2, narrow."""
    return keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, weights=None, classes=5, classifier_activation=None
    )


SHAPES = {maps: (9, 8, 2), signal: (32, 1, 3), mobile: (32, 32, 3)}


@pytest.fixture(scope="module")
def models(backend):
    """Each network with random statistics, and what it gives for random images."""
    _, keras = backend
    made = {}
    for make, shape in SHAPES.items():
        model = make(keras)
        generator = np.random.default_rng(0)
        for layer in model.layers:
            if type(layer).__name__ == "BatchNormalization":
                layer.moving_mean.assign(generator.normal(0, 0.1, layer.moving_mean.shape))
                layer.moving_variance.assign(generator.uniform(0.5, 1.5, layer.moving_mean.shape))
        images = generator.random((3, *shape)).astype(np.float32)
        fed = images.reshape(3, *model.input_shape[1:])
        made[make] = model, images, np.asarray(model(fed, training=False))
    return made


def assert_same(graph, images, wanted):
    assert np.abs(run(graph, images) - wanted).max() <= 1e-4 * np.abs(wanted).max()


def converted(tf, model, *, smaller=None):
    """The bytes of a .tflite file; ``smaller`` is a type for the weights, or "dynamic"."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if smaller is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if smaller not in (None, "dynamic"):
        converter.target_spec.supported_types = [smaller]
    return converter.convert()


@pytest.mark.parametrize("make", SHAPES)
def test_tensorflows_converter(backend, models, tmp_path, make):
    tf, _ = backend
    model, images, wanted = models[make]
    (tmp_path / "net.tflite").write_bytes(converted(tf, model))
    assert_same(read_tflite(tmp_path / "net.tflite", SHAPES[make], ""), images, wanted)


def test_weights_in_float16_are_read_as_the_numbers_that_they_are(backend, models, tmp_path):
    tf, _ = backend
    model, images, wanted = models[maps]
    (tmp_path / "net.tflite").write_bytes(converted(tf, model, smaller=tf.float16))
    graph = read_tflite(tmp_path / "net.tflite", SHAPES[maps], "")
    assert np.abs(run(graph, images) - wanted).max() < 2e-3
    names = [node.name.removesuffix("_1") for node in graph if node.weights]
    assert names == ["stem", "depthwise", "pointwise", "gate", "hidden", "logits"]


def test_integer_weights_are_refused_with_what_such_a_file_can_do(backend, tmp_path):
    tf, keras = backend
    layers = keras.layers  # weights of at least 1,024 numbers become integers
    model = keras.Sequential([keras.Input((8, 8, 2)), layers.Flatten(), layers.Dense(16), layers.Dense(4)])
    (tmp_path / "net.tflite").write_bytes(converted(tf, model, smaller="dynamic"))
    with pytest.raises(GraphError, match=r"is quantized: .*it can only teach \(distill\.teacher\)"):
        read_tflite(tmp_path / "net.tflite", (8, 8, 2))


@pytest.mark.parametrize("make", SHAPES)
def test_keras_export_by_tf2onnx(models, tmp_path, make):
    model, images, wanted = models[make]
    model.export(tmp_path / "net.onnx", format="onnx", verbose=False)
    assert_same(read_onnx(tmp_path / "net.onnx", SHAPES[make], ""), images, wanted)


@pytest.mark.parametrize("make", [maps, signal])
def test_keras_export_as_savedmodel(backend, models, tmp_path, make):
    tf, _ = backend
    model, images, wanted = models[make]
    model.export(tmp_path / "net", verbose=False)
    assert_same(read_savedmodel(tf, tmp_path / "net", SHAPES[make], ""), images, wanted)


class Saved:
    """A tf.Module with variables, called through a signature whose sides are open."""

    def __init__(self, tf, dims):
        generator = np.random.default_rng(0)
        self.module = tf.Module()
        self.module.kernel = tf.Variable(generator.normal(0, 0.3, (3, 3, 2, 4)).astype(np.float32))
        self.module.matrix = tf.Variable(generator.normal(0, 0.3, (4, 3)).astype(np.float32))

        def call(image):
            x = tf.nn.relu(tf.nn.conv2d(image, self.module.kernel, 2, "SAME"))
            return tf.linalg.matmul(tf.reduce_mean(x, [1, 2]), self.module.matrix)

        self.call = tf.function(call, input_signature=[tf.TensorSpec(dims, tf.float32)])
        self.module.call = self.call


def test_a_savedmodel_of_a_module_whose_sides_are_open(backend, tmp_path):
    tf, _ = backend
    saved = Saved(tf, (None, None, None, 2))
    tf.saved_model.save(saved.module, tmp_path / "net", signatures=saved.call.get_concrete_function())
    images = np.random.default_rng(1).random((3, 7, 6, 2)).astype(np.float32)
    assert_same(read_savedmodel(tf, tmp_path / "net", (7, 6, 2)), images, saved.call(images).numpy())


def test_savedmodels_that_cannot_be_read_are_refused_with_the_reason(backend, tmp_path):
    tf, _ = backend
    with pytest.raises(DataError, match=r"saved_model\.pb is not in it"):
        read_savedmodel(tf, tmp_path, (8, 8, 2))
    saved = Saved(tf, (None, 8, 8, 2))
    tf.saved_model.save(saved.module, tmp_path / "net", signatures=saved.call.get_concrete_function())
    with pytest.raises(DataError, match=r"is \(None, 8, 8, 2\), but the data are n × 9 × 9 × 2"):
        read_savedmodel(tf, tmp_path / "net", (9, 9, 2))
    (tmp_path / "net/saved_model.pb").write_bytes((tmp_path / "net/saved_model.pb").read_bytes()[:99])
    with pytest.raises(DataError, match="TensorFlow cannot load"):
        read_savedmodel(tf, tmp_path / "net", (8, 8, 2))


def test_what_tflite_has_no_operator_for_is_refused(backend, tmp_path):
    tf, _ = backend
    module = tf.Module()
    call = tf.function(
        lambda image: tf.math.digamma(tf.reduce_mean(image, [1, 2])),
        input_signature=[tf.TensorSpec((None, 4, 4, 3))],
    )
    module.call = call
    tf.saved_model.save(module, tmp_path / "net", signatures=call.get_concrete_function())
    with pytest.raises(GraphError, match=r"net computes what TFLite's own operators do not: .*Digamma"):
        read_savedmodel(tf, tmp_path / "net", (4, 4, 3))
