"""TFLite files become graphs that compute what LiteRT computes from the file; damaged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.errors import DataError, GraphError, UsageError
from edgebuild.formats import litert
from edgebuild.graph.run import run
from edgebuild.importers.tflite import read_tflite
from tests.importers.onnx_writer import random_images
from tests.importers.tflite_writer import Net
from tests.networks import branches, gated, lowered, mobile, network


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8"])
@pytest.mark.parametrize("make", [network, branches, gated, mobile])
def test_files_of_this_build_are_read_back(tmp_path, make, precision):
    graph = lowered(make(), precision)
    litert.write(graph, tmp_path / "net.tflite", flexible=True)
    images = random_images(graph.input.shape)
    found = run(read_tflite(tmp_path / "net.tflite", graph.input.shape, ""), images)
    wanted = run(graph, images)
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("precision", ["int8", "w4"])
def test_integers_are_refused(tmp_path, precision):
    graph = network()
    if precision == "int8":
        graph = lowered(graph, precision)
    else:
        from edgebuild.compress.quantize import to_w4

        graph = to_w4(graph)
    litert.write(graph, tmp_path / "net.tflite")
    with pytest.raises(GraphError, match="is quantized: it computes with integers in"):
        read_tflite(tmp_path / "net.tflite", graph.input.shape)


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_activations_that_are_part_of_an_operator(tmp_path, code):
    net = Net((3, 3, 2))
    x = net.conv(net.image, 4, activation=code)
    path = net.write(tmp_path / "net.tflite", net.flat(x))
    images = random_images((3, 3, 2))
    wanted = litert.load(path, 1).predict(images)
    np.testing.assert_allclose(run(read_tflite(path, (3, 3, 2), ""), images), wanted, atol=1e-5)


def test_all_that_stands_in_the_way_is_named_at_once(tmp_path):
    net = Net((6, 6, 2))
    x = net.conv(net.image, 4, dilation=2, name="dilated")
    x = net.unary("EXP", x, name="after")
    y = net.unary("ABS", net.image, name="absolute")
    path = net.write(tmp_path / "net.tflite", net.binary("MAXIMUM", x, y, name="joined"))
    with pytest.raises(GraphError) as raised:
        read_tflite(path, (6, 6, 2))
    message = str(raised.value)
    assert "4 problems" in message
    for reason in (
        "'dilated' (CONV_2D): dilations must be 1",
        "'after' (EXP)",
        "'absolute' (ABS)",
        "'joined'",
    ):
        assert reason in message


def test_an_input_of_another_shape_is_refused_with_both(tmp_path):
    litert.write(network(), tmp_path / "net.tflite")
    with pytest.raises(DataError, match="is 1 × 9 × 9 × 2, but the data are n × 8 × 8 × 3"):
        read_tflite(tmp_path / "net.tflite", (8, 8, 3))


def test_another_file_is_refused(tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"nonsense and more")
    with pytest.raises(DataError, match="is no TFLite file"):
        read_tflite(tmp_path / "net.tflite", (8, 8, 3))


@pytest.mark.parametrize("make", [network, mobile])
def test_damaged_files_are_refused_or_read(tmp_path, make):
    """Truncated anywhere, or a bit turned over anywhere: never an error that is not ours."""
    graph = make()
    path = tmp_path / "net.tflite"
    litert.write(graph, path)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for attempt in range(150):
        place = int(generator.integers(len(content)))
        damaged = bytearray(content[:place] if attempt % 3 == 0 else content)
        if attempt % 3:
            damaged[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        try:
            read_tflite(path, graph.input.shape)
        except UsageError:
            refused += 1
    assert refused >= 45
