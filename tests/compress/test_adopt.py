"""A network that others trained becomes the teacher as it is, or is refused before anything is trained."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edgebuild.compress import adopt as module
from edgebuild.compress.adopt import adopt
from edgebuild.compress.pixels import INPUTS, fitting, prepared
from edgebuild.compress.teacher import open_file
from edgebuild.data.split import Split
from edgebuild.errors import DataError, GraphError, ParityError, UsageError
from edgebuild.formats import keras as keras_format
from edgebuild.formats.registry import open_writer
from edgebuild.graph.freeze import freeze, refusals
from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.classification import Classification
from edgebuild.tasks.multilabel import MultiLabel
from edgebuild.tasks.regression import Regression, Target

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CLASSES = ("top left", "top right", "bottom left", "bottom right")


def quadrants(count=120, channels=1, side=4, seed=0):
    """Images with one bright quarter of four, and which it is."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    images = generator.integers(0, 100, (count, side, side, channels))
    half = side // 2
    for image, label in zip(images, labels, strict=True):
        row, column = half * (label // 2), half * (label % 2)
        image[row : row + half, column : column + half] += 150
    return Split(images.astype(np.uint8), labels.astype(np.int64), 1 / 255, CLASSES)


def finder(keras, channels=1, threshold=0.5, ending="softmax", inside=(), shape=(4, 4)):
    """Knows the quadrants: counts what is brighter than the threshold, in units of its own input."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((*shape, channels)),
            *inside,
            layers.Conv2D(2, 1, activation="relu", name="bright"),
            layers.AveragePooling2D(2, name="quarters"),
            layers.Flatten(name="flat"),
            layers.Dense(4, activation=ending, name="answer"),
        ]
    )
    generator = np.random.default_rng(1)
    gain = 1 / (channels * threshold)
    kernel = np.full((1, 1, channels, 2), gain) * generator.uniform(0.9, 1.1, (channels, 2))
    model.get_layer("bright").set_weights([kernel, np.full(2, -1.0)])
    model.get_layer("answer").set_weights([np.repeat(np.eye(4), 2, axis=0) * 9, np.zeros(4)])
    return model


@dataclass
class Adopter:
    """``adopt`` with what the tests share."""

    tf: object
    keras: object
    folder: object
    data: Split = field(default_factory=quadrants)

    def __call__(self, model, *, takes="unit", data=None, task=None, name="net.keras", classes=CLASSES):
        path = self.folder / name
        if model is not None:
            model.save(path)
        return adopt(
            self.tf, self.keras, path, task=task or Classification(), takes=takes,
            validation=data or self.data, classes=classes, threads=1,
        )  # fmt: skip


@pytest.fixture
def adopter(backend, tmp_path):
    return Adopter(*backend, tmp_path)


def right(adopted, data):
    outputs = np.asarray(adopted.model(data.real(), training=False))
    return (outputs.argmax(axis=1) == data.labels).mean()


@pytest.mark.parametrize("ending", ["softmax", None])
def test_a_keras_file_gives_logits_from_pixels_in_0_to_1(adopter, ending):
    adopted = adopter(finder(adopter.keras, ending=ending))
    assert right(adopted, adopter.data) == 1
    assert adopted.changes == (("softmax taken away",) if ending else ())
    assert adopted.warnings == ()
    assert not np.allclose(np.asarray(adopted.model(adopter.data.real(2))).sum(axis=1), 1)


@pytest.mark.parametrize("takes", INPUTS)
def test_the_adopted_network_feeds_the_files_what_it_was_trained_on(adopter, takes):
    data = quadrants(channels=3)
    keras = adopter.keras
    low, high = (float(prepared(np.full((1, 1, 1, 3), grey, np.float32), takes).mean()) for grey in (0, 1))
    model = finder(keras, 3, ending=None)
    kernel = np.random.default_rng(2).uniform(0.9, 1.1, (1, 1, 3, 2)) / (high - low)
    model.get_layer("bright").set_weights(
        [kernel, np.full(2, -kernel.sum() / 2 * (low + 0.5 * (high - low)))]
    )
    expected = np.asarray(model(prepared(data.real(), takes), training=False))
    adopted = adopter(model, takes=takes, data=data)
    np.testing.assert_allclose(np.asarray(adopted.model(data.real())), expected, rtol=1e-3, atol=1e-3)
    assert refusals(adopted.model) == []


def test_pixels_of_another_range_are_found_out_and_the_right_one_is_named(adopter):
    model = finder(adopter.keras, threshold=128)
    with pytest.raises(
        UsageError, match=r"accuracy 0\.\d+ on 120 .*'unit'.*1.0000 with 'byte'; write `input: byte`"
    ):
        adopter(model)
    assert right(adopter(None, takes="byte"), adopter.data) == 1


def test_a_network_that_rescales_by_itself_is_a_byte_network(adopter):
    rescaling = adopter.keras.layers.Rescaling(1 / 255)
    adopted = adopter(finder(adopter.keras, inside=(rescaling,)), takes="byte")
    assert right(adopted, adopter.data) == 1
    assert adopted.changes == ("softmax taken away", "pixels scaled (byte)")


def test_a_network_of_other_classes_is_warned_about(adopter):
    data = quadrants()
    mixed = Split(data.images, np.random.default_rng(3).permutation(data.labels), data.scale, CLASSES)
    (warning,) = adopter(finder(adopter.keras), data=mixed).warnings
    assert "no better than guessing" in warning
    assert "trained on these classes, in this order?" in warning


def test_classes_in_another_order_are_told(adopter):
    data = quadrants()
    turned = Split(data.images, (data.labels + 1) % 4, data.scale, CLASSES)
    (warning,) = adopter(finder(adopter.keras), data=turned).warnings
    assert (
        "in another order: top right, bottom left, bottom right, top left; the data's are top left,"
        in warning
    )


@pytest.mark.parametrize("shape", [(16,), (4, 4), (None, None, 1)], ids=str)
def test_images_may_be_flat_without_channel_or_of_any_size_in_the_file(adopter, shape):
    keras, layers = adopter.keras, adopter.keras.layers
    inner = finder(keras)
    image = keras.Input(shape)
    x = image if len(shape) == 3 else layers.Reshape((4, 4, 1))(image)
    if shape == (16,):
        x = layers.Dense(4, name="linear")(layers.Flatten()(image))
        model = keras.Model(image, x)
        kernel = np.zeros((4, 4, 4))
        for place in range(4):
            kernel[2 * (place // 2) : 2 * (place // 2) + 2, 2 * (place % 2) : 2 * (place % 2) + 2, place] = 1
        model.get_layer("linear").set_weights([kernel.reshape(16, 4), np.zeros(4)])
    elif shape == (4, 4):
        model = keras.Model(image, inner(x))
    else:
        x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="any")(image))
        model = keras.Model(image, x)
        model.get_layer("any").set_weights(
            [np.zeros((3, 3, 1, 4)), np.zeros(4)]
        )  # as bad for pixels of any range
    adopted = adopter(model)
    assert adopted.model.input_shape == (None, 4, 4, 1)
    assert refusals(adopted.model) == []


def test_models_in_the_model_are_taken_apart_and_augmentation_goes(adopter):
    keras = adopter.keras
    image = keras.Input((4, 4, 1))
    x = keras.layers.RandomFlip(name="flip")(image)
    adopted = adopter(keras.Model(image, finder(keras)(x)))
    names = [layer.name for layer in adopted.model.layers]
    assert "flip" not in names
    assert not any(hasattr(layer, "layers") for layer in adopted.model.layers)
    assert [name for name in names if name.endswith("bright")]
    assert right(adopted, adopter.data) == 1


def test_one_sigmoid_for_two_classes_becomes_two_logits(adopter):
    keras, data = adopter.keras, quadrants()
    left = Split(data.images, data.labels % 2, data.scale, ("left", "right"))
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(1, activation="sigmoid", name="answer")]
    )
    side = np.tile([-1, -1, 1, 1], 4)[:, None]
    model.get_layer("answer").set_weights([side * 3, np.full(1, 0.1)])
    shares = np.asarray(model(left.real(), training=False))[:, 0]
    adopted = adopter(model, data=left, classes=left.classes)
    logits = np.asarray(adopted.model(left.real()))
    np.testing.assert_allclose(1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), shares, atol=1e-6)
    assert (logits[:, 0] == 0).all()
    assert right(adopted, left) == 1


def test_labels_that_do_not_exclude_one_another_lose_their_sigmoid(adopter):
    data = quadrants()
    several = Split(data.images, np.eye(4, dtype=np.int64)[data.labels], data.scale, CLASSES)
    adopted = adopter(finder(adopter.keras, ending="sigmoid"), data=several, task=MultiLabel())
    assert adopted.changes == ("sigmoid taken away",)
    assert np.asarray(adopted.model(data.real())).max() > 1


@pytest.mark.parametrize("real", [True, False])
def test_a_regression_gives_standardized_targets_whether_or_not_its_file_does(adopter, real):
    keras, data = adopter.keras, quadrants()
    mean = data.real().mean(axis=(1, 2, 3))[:, None]
    target = Target("light", offset=50.0, scale=20.0, tolerance=1.0)
    lit = Split(data.images, (100 * mean).astype(np.float32), data.scale, ("light",))
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1, name="sum")]
    )
    scale, offset = (1.0, 0.0) if real else (1 / 20, -2.5)
    model.get_layer("sum").set_weights([np.full((16, 1), 100 / 16 * scale), np.full(1, offset)])
    adopted = adopter(model, data=lit, task=Regression((target,)), classes=("light",))
    assert adopted.changes == (("targets standardized",) if real else ())
    assert adopted.warnings == ()
    np.testing.assert_allclose(np.asarray(adopted.model(data.real())), (100 * mean - 50) / 20, atol=1e-4)
    assert refusals(adopted.model) == []


def test_an_autoencoder_stays_flat_where_it_folds_its_answer(adopter):
    keras, data = adopter.keras, quadrants()
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(16, name="copy"), layers.Reshape((4, 4, 1))]
    )
    model.get_layer("copy").set_weights([np.eye(16), np.zeros(16)])
    normal = Split(data.images, np.zeros(len(data), np.int64), data.scale, ("normal", "anomaly"))
    adopted = adopter(model, data=normal, task=AnomalyDetection(0.1), classes=normal.classes)
    assert adopted.model.output_shape == (None, 16)


@pytest.mark.parametrize("ending", ["onnx", "tflite"])
def test_a_file_of_another_framework_answers_as_in_its_own_runtime(adopter, ending):
    graph = freeze(finder(adopter.keras), CLASSES)
    open_writer({"onnx": "onnx", "tflite": "litert"}[ending]).write(graph, adopter.folder / f"net.{ending}")
    adopted = adopter(None, name=f"net.{ending}")
    assert adopted.changes == ("softmax taken away",)
    assert right(adopted, adopter.data) == 1


@pytest.mark.parametrize("exporter", ["script", "dynamo"])
def test_a_file_that_pytorch_exported_answers_as_in_onnx_runtime(adopter, exporter):
    """Channels first, a flattened map, padding unlike TensorFlow's: tests/importers/torch_files.py made it."""
    file = Path(__file__).parents[1] / f"importers/files/maps-{exporter}.onnx"
    images = np.random.default_rng(0).integers(0, 256, (80, 15, 15, 2)).astype(np.uint8)
    probe = Split(images, np.zeros(80, np.int64), 1 / 255, tuple("abcde"))
    answers = open_file(adopter.tf, file, (15, 15, 2), 1)(probe.real())
    data = Split(images, answers.argmax(axis=1).astype(np.int64), 1 / 255, probe.classes)
    shutil.copy(file, adopter.folder / "net.onnx")
    adopted = adopter(None, name="net.onnx", data=data, classes=data.classes)
    np.testing.assert_allclose(np.asarray(adopted.model(data.real())), answers, atol=1e-4)
    assert adopted.warnings == ()


def test_a_saved_model_is_adopted(adopter):
    finder(adopter.keras).export(adopter.folder / "saved", verbose=False)
    assert right(adopter(None, name="saved"), adopter.data) == 1


def test_what_answers_otherwise_than_its_file_is_never_adopted(adopter, monkeypatch):
    graph = freeze(finder(adopter.keras), CLASSES)
    open_writer("onnx").write(graph, adopter.folder / "net.onnx")
    other = finder(adopter.keras, threshold=0.7)
    monkeypatch.setattr(module, "open_network", lambda *arguments, **options: other)
    with pytest.raises(ParityError, match=r"net.onnx must answer as the file does, but is up to 0.\d+ off"):
        adopter(None, name="net.onnx")


def test_the_adopted_model_is_the_same_bytes_each_time_and_can_be_loaded(adopter, tmp_path):
    model = finder(adopter.keras)
    for name in ("one", "two"):
        keras_format.write(adopter(model if name == "one" else None).model, tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    loaded = keras_format.load_model(adopter.keras, tmp_path / "one.keras")
    assert [layer.name for layer in loaded.layers] == ["image", "bright", "quarters", "flat", "answer"]


def test_every_reason_is_told_at_once_with_the_layers_by_name(adopter):
    layers = adopter.keras.layers
    image = adopter.keras.Input((9, 8, 3))
    x = layers.LayerNormalization(name="norm")(image)
    x = layers.LeakyReLU(name="leaky")(layers.Conv2D(4, 3, dilation_rate=2, name="dilated")(x))
    model = adopter.keras.Model(image, layers.Dense(7)(layers.Flatten()(x)))
    with pytest.raises(
        GraphError, match="net.keras cannot be adopted as the teacher; nothing was trained"
    ) as caught:
        adopter(model, takes="caffe")
    said = str(caught.value)
    for part in (
        "images of shape (9, 8, 3), but the data have (4, 4, 1)",
        "outputs of shape (7,), but this task and its data need (4,)",
        "teacher.input: caffe has numbers for three colours, but the images have 1 channel(s); choose unit or byte",
        "layer 'norm' (LayerNormalization)",
        "layer 'dilated' (Conv2D)",
        "layer 'leaky' (LeakyReLU)",
    ):
        assert part in said


def test_two_inputs_are_refused(adopter):
    layers, ends = adopter.keras.layers, [adopter.keras.Input((4, 4, 1)) for _ in range(2)]
    with pytest.raises(GraphError, match="2 inputs and 1 outputs"):
        adopter(adopter.keras.Model(ends, layers.Dense(4)(layers.Flatten()(layers.Add()(ends)))))


def test_colours_in_reverse_need_a_convolution_to_read_them(adopter):
    layers, data = adopter.keras.layers, quadrants(channels=3)
    model = adopter.keras.Sequential([adopter.keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(4)])
    with pytest.raises(
        GraphError, match=r"caffe turns the order of colours .* read by 'flatten.*' \(Flatten\)"
    ):
        adopter(model, takes="caffe", data=data)


def test_code_that_a_file_does_not_hold_is_named_class_by_class(adopter):
    keras = adopter.keras

    class Doubling(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    image = keras.Input((4, 4, 1))
    x = keras.layers.Lambda(lambda x: x + 1, name="plus")(Doubling(name="double")(image))
    model = keras.Model(image, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    with pytest.raises(DataError, match="net.keras cannot be adopted") as caught:
        adopter(model)
    assert "layer 'plus' is a Lambda" in str(caught.value)
    assert "'double' is of the class Doubling, which is none of Keras' own" in str(caught.value)
    assert "export it as ONNX for distill.teacher" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.keras", None, "does not exist; correct teacher.file"),
        ("net.keras", b"nonsense", "is no .keras file as Keras 3 writes it"),
        ("net.bin", b"", "teacher.file: net.bin must be a file of one of .keras, .onnx, .tflite"),
        ("net.onnx", b"nonsense", "net.onnx"),
    ],
)
def test_what_is_no_network_is_refused_by_name(adopter, name, content, words):
    if content is not None:
        (adopter.folder / name).write_bytes(content)
    with pytest.raises((DataError, UsageError), match=words):
        adopter(None, name=name)


def test_a_folder_that_is_no_saved_model_is_refused(adopter):
    (adopter.folder / "saved").mkdir()
    with pytest.raises(UsageError, match=r"saved is a folder without a saved_model.pb"):
        adopter(None, name="saved")


def test_a_keras_file_that_was_cut_short_is_refused(adopter):
    finder(adopter.keras).save(adopter.folder / "whole.keras")
    content = (adopter.folder / "whole.keras").read_bytes()
    (adopter.folder / "net.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"net.keras is no .keras file"):
        adopter(None)


def test_grey_images_have_no_range_by_colour():
    assert fitting(1) == ("unit", "byte", "signed")
    assert fitting(3) == tuple(INPUTS)
