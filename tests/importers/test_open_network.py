"""A file becomes a Keras model that computes the same, and that the rest of the build can work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebuild.compress.channels.analyse import analyse
from edgebuild.errors import DataError
from edgebuild.graph.freeze import freeze
from edgebuild.graph.run import run
from edgebuild.importers.keras_model import keras_model
from edgebuild.importers.registry import open_network
from tests.importers.onnx_writer import Net, predicted, random_images
from tests.networks import branches, gated, mobile, network

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("exporter", ["script", "dynamo"])
def test_an_onnx_file_of_pytorch_is_a_trainable_keras_model(backend, exporter):
    _, keras = backend
    path = FILES / f"maps-{exporter}.onnx"
    model = open_network(keras, path, (15, 15, 2))
    images = random_images((15, 15, 2))
    wanted = predicted(path, images.transpose(0, 3, 1, 2))
    assert np.abs(model(images).numpy() - wanted).max() <= 1e-4 * np.abs(wanted).max()
    assert [layer.name for layer in model.layers if layer.weights] == ["stem", "depthwise", "head"]
    assert len(model.trainable_weights) == 6


def test_channels_of_an_imported_network_can_be_pruned(backend):
    _, keras = backend
    model = open_network(keras, FILES / "maps-script.onnx", (15, 15, 2))
    assert [group.size for group in analyse(model).groups] == [8]


@pytest.mark.parametrize("make", [network, branches, gated, mobile])
def test_every_op_of_the_graph_has_its_layer(backend, make):
    _, keras = backend
    graph = make()
    model = keras_model(keras, graph, "net")
    images = random_images(graph.input.shape)
    wanted = run(graph, images)
    np.testing.assert_allclose(model(images).numpy(), wanted, rtol=1e-4, atol=1e-5)
    again = freeze(model, graph.labels)
    np.testing.assert_allclose(run(again, images), wanted, rtol=1e-4, atol=1e-5)


def test_a_layer_may_be_called_as_the_activation_of_another_would_be(backend, tmp_path):
    _, keras = backend
    net = Net()
    x = net.add("Relu", net.conv("image", 2, 4))
    x = net.conv(x, 4, 4, name="conv_0_relu")
    path = net.write(
        tmp_path / "my net (1).onnx", net.add("Flatten", net.add("GlobalAveragePool", x)), ["n", 2, 8, 8]
    )
    model = open_network(keras, path, (8, 8, 2))
    assert [layer.name for layer in model.layers[1:4]] == ["conv_0", "conv_0_relu_2", "conv_0_relu"]


def test_what_is_no_network_is_refused_with_what_may_be_read(backend, tmp_path):
    _, keras = backend
    with pytest.raises(DataError, match=r"does not exist; name a file: \.onnx, \.tflite"):
        open_network(keras, tmp_path / "none.onnx", (8, 8, 1))
    (tmp_path / "net.pt").write_bytes(b"PK")
    with pytest.raises(DataError, match="no trained network that can be read"):
        open_network(keras, tmp_path / "net.pt", (8, 8, 1))
