"""A teacher is any file that gives logits, run by its own runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgebuild.compress.quantize import to_int8
from edgebuild.compress.ranges import observe
from edgebuild.compress.teacher import _arranging, open_teacher
from edgebuild.errors import DataError, UsageError
from edgebuild.formats import keras as keras_format
from edgebuild.formats.registry import open_writer
from edgebuild.graph.freeze import freeze
from edgebuild.graph.run import run
from edgebuild.tasks.classification import Classification
from edgebuild.zoo.ds_cnn import ds_cnn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1)).astype(np.uint8)


@pytest.fixture
def model(backend):
    backend[1].utils.set_random_seed(4)
    return ds_cnn(backend[1], (8, 8, 1), 3, width=4, blocks=1, stages=2, stem_stride=1)


def ask(backend, path, classes=3, shape=(8, 8, 1)):
    tf, keras = backend
    names = tuple(map(str, range(classes)))
    task = Classification()
    opened = open_teacher(tf, keras, path, task=task, scale=1 / 255, shape=shape, classes=names, threads=1)
    return opened(IMAGES)


def test_a_keras_an_onnx_and_a_tflite_file_of_one_network_say_the_same(backend, model, tmp_path):
    keras_format.write(model, tmp_path / "net.keras")
    graph = freeze(model, ("a", "b", "c"))
    for kind, ending in (("onnx", "onnx"), ("litert", "tflite")):
        open_writer(kind).write(graph, tmp_path / f"net.{ending}")
    expected = model(IMAGES.astype(np.float32) / np.float32(255), training=False).numpy()
    for ending in ("keras", "onnx", "tflite"):
        found = ask(backend, tmp_path / f"net.{ending}")
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_integer_tflite_file_is_asked_in_its_own_codes(backend, model, tmp_path):
    graph = freeze(model, ("a", "b", "c"))
    real = IMAGES.astype(np.float32) / np.float32(255)
    integer = to_int8(graph, observe(graph, real, ranges="minmax", percentile=99.9))
    open_writer("litert").write(integer, tmp_path / "net.tflite")
    found = ask(backend, tmp_path / "net.tflite")
    steps = np.abs(found - run(integer, real)) / integer.output.grid.scale
    assert steps.max() < 1.01


@pytest.mark.parametrize("ending", ["onnx", "tflite"])
def test_a_teacher_of_other_images_is_refused(backend, model, tmp_path, ending):
    kind = {"onnx": "onnx", "tflite": "litert"}[ending]
    open_writer(kind).write(freeze(model, ("a", "b", "c")), tmp_path / f"net.{ending}")
    with pytest.raises(DataError, match=rf"net.{ending} must take .*export it for this data"):
        ask(backend, tmp_path / f"net.{ending}", shape=(9, 9, 1))


def test_probabilities_become_log_probabilities():
    probabilities = np.array([[0.5, 0.5, 0], [0.1, 0.2, 0.7]], np.float32)
    found = Classification().as_outputs(probabilities)
    powers = np.exp(found)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), probabilities, atol=1e-6)


def test_logits_stay_as_they_are():
    logits = np.array([[2.0, -1.0], [0.5, 0.6]], np.float32)
    assert Classification().as_outputs(logits) is logits


def test_a_teacher_of_other_classes_is_refused(backend, model, tmp_path):
    keras_format.write(model, tmp_path / "net.keras")
    with pytest.raises(DataError, match=r"net.keras must give 5 finite numbers.*\(9, 3\)"):
        ask(backend, tmp_path / "net.keras", classes=5)


def test_a_file_of_another_kind_is_refused(backend, tmp_path):
    with pytest.raises(UsageError, match=r"net.pt must be a file of one of .keras, .onnx, .tflite"):
        ask(backend, tmp_path / "net.pt")


def test_a_missing_file_is_named(backend, tmp_path):
    for name in ("net.keras", "net.onnx", "net.tflite"):
        with pytest.raises(DataError, match=name):
            ask(backend, tmp_path / name)


@pytest.mark.parametrize(
    ("dims", "shape", "fed"),
    [
        ((4, 5, 3), (4, 5, 3), (2, 4, 5, 3)),
        ((3, 4, 5), (4, 5, 3), (2, 3, 4, 5)),
        ((3, "h", "w"), (4, 5, 3), (2, 3, 4, 5)),
        ((None, None, 3), (4, 5, 3), (2, 4, 5, 3)),
        ((60,), (4, 5, 3), (2, 60)),
        ((9, 3), (9, 1, 3), (2, 9, 3)),
        ((3, 9), (9, 1, 3), (2, 3, 9)),
        ((4, 5), (4, 5, 1), (2, 4, 5)),
        ((5, 4), (4, 5, 1), None),
        ((4, 5, 4), (4, 5, 3), None),
        ((), (4, 5, 3), None),
    ],
)
def test_images_are_arranged_as_the_file_takes_them(dims, shape, fed):
    images = np.zeros((2, *shape), np.float32)
    arrange = _arranging(dims, shape)
    assert (None if arrange is None else arrange(images).shape) == fed


def test_a_saved_model_teaches(backend, model, tmp_path):
    model.export(tmp_path / "saved", verbose=False)
    expected = model(IMAGES.astype(np.float32) / np.float32(255), training=False).numpy()
    np.testing.assert_allclose(ask(backend, tmp_path / "saved"), expected, atol=1e-4)


def test_a_saved_model_of_other_images_is_refused(backend, model, tmp_path):
    model.export(tmp_path / "saved", verbose=False)
    with pytest.raises(
        DataError, match=r"saved must take images of shape \(9, 9, 1\) .*takes \[\(8, 8, 1\)\]"
    ):
        ask(backend, tmp_path / "saved", shape=(9, 9, 1))


def flattening(path, batch):
    """An ONNX file that flattens images of 8×8."""
    ends = [("image", [batch, 8, 8, 1]), ("flat", [batch, 64])]
    infos = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims) for name, dims in ends]
    node = onnx.helper.make_node("Flatten", ["image"], ["flat"])
    graph = onnx.helper.make_graph([node], "flattening", infos[:1], infos[1:])
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


@pytest.mark.parametrize("batch", ["n", 1])
def test_an_onnx_file_takes_one_image_or_any_number(backend, tmp_path, batch):
    flattening(tmp_path / "net.onnx", batch)
    assert ask(backend, tmp_path / "net.onnx", classes=64).shape == (9, 64)


def test_an_onnx_file_of_so_many_images_is_refused(backend, tmp_path):
    flattening(tmp_path / "net.onnx", 4)
    with pytest.raises(
        DataError, match=r"one or any number of them, but it takes tensor\(float\)\[4, 8, 8, 1\]"
    ):
        ask(backend, tmp_path / "net.onnx", classes=64)
