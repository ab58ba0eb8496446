"""Architectures by name: each can be trained, frozen and exported; what cannot is refused before, with all reasons."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest

from edgebuild.errors import GraphError, UsageError
from edgebuild.formats.registry import open_writer
from edgebuild.graph.freeze import freeze, refusals
from edgebuild.zoo import names
from edgebuild.zoo.registry import ARCHITECTURES, build, unread
from tests.compress.channels.models import randomize

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WHERE = "student.architecture"
IMAGE, SIGNAL = (9, 7, 3), (40, 1, 6)


@dataclass(frozen=True)
class Knobs:
    architecture: str
    width: int = 16
    blocks: int = 1
    stages: int = 2
    stem_stride: int = 1


def made(backend, name, shape=IMAGE, outputs=5, **knobs):
    return build(backend[1], Knobs(name, **knobs), shape=shape, outputs=outputs, where=WHERE)


@pytest.fixture
def own(monkeypatch):
    """Makes a module ``own`` with the given functions."""

    def make(**functions):
        module = ModuleType("own")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, "own", module)

    return make


@pytest.mark.parametrize("shape", [IMAGE, SIGNAL], ids=["image", "signal"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_computes_in_every_format_what_keras_computes(backend, tmp_path, name, shape):
    model = randomize(made(backend, name, shape))
    images = np.random.default_rng(0).random((4, *shape)).astype(np.float32)
    expected = model(images, training=False).numpy()
    graph = freeze(model, tuple("abcde"))
    for kind in ("litert", "onnx", "coreml"):
        writer = open_writer(kind)
        writer.write(graph, tmp_path / kind)
        found = writer.load(tmp_path / kind, 1).predict(images)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["resnet", "ds_cnn", "mobilenet_v2"])
def test_signals_are_convolved_along_time_alone(backend, name):
    model = made(backend, name, SIGNAL)
    sizes = {layer.kernel_size for layer in model.layers if hasattr(layer, "kernel_size")}
    assert sizes == {(3, 1), (1, 1)}


def test_inverted_residuals_have_the_parameters_that_one_counts(backend):
    model = made(backend, "mobilenet_v2", (8, 8, 1), width=4, blocks=2, stages=1)
    norm = 4  # gamma, beta, mean and variance of a channel
    stem = 9 * 4 + norm * 4
    block = (4 * 24 + norm * 24) + (9 * 24 + norm * 24) + (24 * 4 + norm * 4)
    head = 4 * 16 + norm * 16
    assert model.count_params() == stem + 2 * block + head + 16 * 5 + 5


def test_the_autoencoder_is_that_of_mlperf_tiny_with_biases_only_where_they_count(backend):
    """MLPerf Tiny's has 269,992 parameters; 1,032 are biases that its batch normalizations cancel."""
    model = made(backend, "autoencoder", (5, 128, 1), 640, width=128, blocks=4)
    units = [layer.units for layer in model.layers if hasattr(layer, "units")]
    assert units == [128] * 4 + [8] + [128] * 4 + [640]
    assert model.count_params() == 269_992 - 1_032


def test_an_mlp_has_as_many_hidden_layers_as_blocks(backend):
    model = made(backend, "mlp", width=12, blocks=3)
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [12, 12, 12, 5]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet", ()),
        ("mlp", ("stages", "stem_stride")),
        ("keras.applications.MobileNetV2", ("blocks", "stages", "stem_stride")),
        ("keras.applications.ResNet50", ("width", "blocks", "stages", "stem_stride")),
        ("teacher", ("width", "blocks", "stages", "stem_stride")),
    ],
)
def test_the_knobs_that_an_architecture_lacks_are_known(name, expected):
    assert unread(name, WHERE) == expected


def test_every_name_that_params_may_hold_is_an_architecture_and_the_other_way_round(backend):
    assert tuple(ARCHITECTURES) == names.ARCHITECTURES
    offered = {name for name in dir(backend[1].applications) if name[0].isupper()}
    left_out = {name for name in offered if name.startswith("ConvNeXt")} | {"InceptionResNetV2"}
    assert set(names.APPLICATIONS) == offered - left_out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small", "EfficientNetB0"])
def test_applications_take_grey_and_colour_images_and_can_be_frozen(backend, name, channels):
    model = made(backend, f"keras.applications.{name}", (32, 32, channels))
    assert (model.input_shape, model.output_shape) == ((None, 32, 32, channels), (None, 5))
    assert model.inputs[0].name == "image"
    assert refusals(model) == []


def test_efficientnet_gets_bytes_as_it_expects_them(backend):
    model = made(backend, "keras.applications.EfficientNetB0", (32, 32, 3))
    assert [layer.scale for layer in model.layers if type(layer).__name__ == "Rescaling"] == [255.0, 1 / 255]


def test_width_is_that_of_an_applications_first_convolution(backend):
    model = made(backend, "keras.applications.MobileNetV2", (32, 32, 3), width=16)
    keras = backend[1]
    half = keras.applications.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), classes=5, classifier_activation=None, alpha=0.5
    )
    assert model.count_params() == half.count_params()


def test_an_application_for_larger_images_says_how_large(backend):
    with pytest.raises(GraphError, match=r"MobileNetV2 takes no images of 8×8 .* at least 32x32.* resnet"):
        made(backend, "keras.applications.MobileNetV2", (8, 8, 1))


def test_a_function_of_the_users_gets_the_knobs_that_it_names(backend, own):
    keras, seen = backend[1], []

    def student(shape, outputs, *, width):
        seen.append((shape, outputs, width))
        image = keras.Input(shape)
        return keras.Model(image, keras.layers.Dense(outputs)(keras.layers.Flatten()(image)))

    own(student=student)
    assert made(backend, "own:student", width=24).output_shape == (None, 5)
    assert seen == [(IMAGE, 5, 24)]
    assert unread("own:student", WHERE) == ("blocks", "stages", "stem_stride")


def test_a_function_with_any_keywords_gets_all_knobs(own):
    own(student=lambda shape, outputs, **knobs: None)
    assert unread("own:student", WHERE) == ()


def test_every_reason_against_a_users_network_is_told_at_once(backend, own):
    keras = backend[1]

    def student(shape, outputs):
        image = keras.Input((8, 8, 3))
        x = keras.layers.LayerNormalization(name="norm")(image)
        x = keras.layers.Conv2D(4, 3, dilation_rate=2, name="dilated")(x)
        x = keras.layers.Flatten()(x)
        return keras.Model(image, keras.layers.Dense(7, activation="softmax", name="last")(x))

    own(student=student)
    with pytest.raises(GraphError, match="own:student gives no network that can be built") as caught:
        made(backend, "own:student")
    said = str(caught.value)
    for part in ("(9, 7, 3), but takes (8, 8, 3)", "give 5 outputs, but gives (7,)", "'norm'", "'dilated'"):
        assert part in said
    assert "layer 'last' ends it with a softmax" in said


def test_a_function_that_gives_no_model_is_refused(backend, own):
    own(student=lambda shape, outputs: {"layers": 3})
    with pytest.raises(GraphError, match=r"a keras.Model is required, but this is of type dict; return"):
        made(backend, "own:student")


def test_a_module_that_is_not_there_is_named(backend):
    with pytest.raises(UsageError, match=r"student.architecture: there is no module nowhere: nowhere.py"):
        made(backend, "nowhere:student")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnett", "did you mean resnet?"),
        ("keras.applications.MobilNetV2", "did you mean keras.applications.MobileNetV2?"),
        ("keras.applications.ConvNeXtTiny", "networks of keras.applications that can be exported"),
        ("", "choose resnet or"),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(name, words):
    assert words in names.problem_of(name)


@pytest.mark.parametrize("name", ["mlp", "keras.applications.ResNet50", "lab.nets:student", "teacher"])
def test_names_that_are_some_pass(name):
    assert names.problem_of(name, (names.TEACHER,)) is None


def test_the_teacher_cannot_be_the_teacher():
    assert "'teacher' is not allowed" in names.problem_of("teacher")
