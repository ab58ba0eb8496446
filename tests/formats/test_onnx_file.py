"""What lies in a written .onnx file: the numbers of the graph, its metadata, and few bytes more."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from edgebuild.compress.quantize import to_w4
from edgebuild.formats import onnx as onnx_format
from edgebuild.formats.onnx_constants import pack, short
from edgebuild.formats.onnx_ops import MOVES
from edgebuild.formats.onnx_read import read_back
from edgebuild.graph.ir import Graph, Weight
from tests import networks
from tests.networks import NETWORKS, Maker, images, network

PRECISIONS = ("fp32", "fp16", "w8", "w4", "int8")


def lowered(graph: Graph, precision: str) -> Graph:
    return to_w4(graph) if precision == "w4" else networks.lowered(graph, precision)


def student() -> Graph:
    """A network of separable convolutions with 12 thousand parameters."""
    make, shape = Maker(0, (28, 28, 1)), (14, 14, 16)
    make.weighted("stem", "conv2d", "image", shape, 3, strides=(2, 2), padding="same", activation="relu")
    before = "stem"
    for index, channels in enumerate((16, 32, 32, 64, 64)):
        depth, point = f"depth{index}", f"point{index}"
        make.weighted(depth, "depthwise_conv2d", before, shape, 3, padding="same", activation="relu")
        shape = (14, 14, channels)
        before = make.weighted(point, "conv2d", depth, shape, activation="relu")
    make.add("pool", "global_average_pool", before, (64,))
    make.weighted("last", "dense", "pool", (10,))
    return replace(make.graph(), labels=tuple("0123456789"))


def assert_same(found: Weight, expected: Weight) -> None:
    np.testing.assert_array_equal(found.values, expected.values, strict=True)
    assert found.bits == expected.bits
    assert (found.scale is None) == (expected.scale is None)
    if expected.scale is not None:
        np.testing.assert_array_equal(found.scale, expected.scale, strict=True)
        assert found.axis == expected.axis


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_and_scales_in_the_file_are_those_of_the_graph(tmp_path, name, precision, unsigned):
    graph = lowered(NETWORKS[name](), precision)
    onnx_format.write(graph, tmp_path / "model", unsigned=unsigned)
    weighted = [node.weights for node in graph if node.weights]
    for found, expected in zip(read_back(tmp_path / "model").weights, weighted, strict=True):
        assert_same(found["kernel"], expected["kernel"])
        assert_same(found["bias"], expected["bias"])


@pytest.mark.parametrize("name", NETWORKS)
def test_grids_in_the_file_are_those_of_the_graph(tmp_path, name):
    """A mean keeps the grid of its input; it is taken in steps of 1, and read on its grid."""
    graph = lowered(NETWORKS[name](), "int8")
    onnx_format.write(graph, tmp_path / "model")
    rounded = [node for node in graph if node.op not in MOVES]
    expected = [
        replace(node.grid, scale=1.0 if node.op == "average_pool" else float(np.float32(node.grid.scale)))
        for node in rounded
    ]
    assert list(read_back(tmp_path / "model").grids) == expected


def test_a_widened_kernel_has_channels_of_zeros_after_its_own(tmp_path):
    graph = lowered(student(), "int8")
    onnx_format.write(graph, tmp_path / "model")
    found, expected = read_back(tmp_path / "model").weights[0]["kernel"], graph["stem"].weights["kernel"]
    np.testing.assert_array_equal(found.values[:, :, :1], expected.values)
    assert found.values.shape == (3, 3, 4, 16)
    assert not found.values[:, :, 1:].any()


def test_a_bias_in_other_steps_than_its_products_is_stored_with_them(tmp_path):
    graph = lowered(network(), "int8")
    last = graph.output
    bias = replace(last.weights["bias"], scale=last.weights["bias"].scale * np.float32(2))
    changed = replace(last, weights={**last.weights, "bias": bias})
    onnx_format.write(replace(graph, nodes=(*graph.nodes[:-1], changed)), tmp_path / "model")
    assert_same(read_back(tmp_path / "model").weights[-1]["bias"], bias)


def test_kernels_of_w4_take_half_a_byte_a_number_and_need_opset_21(tmp_path):
    onnx_format.write(lowered(network(), "w4"), tmp_path / "model")
    model = onnx.load(tmp_path / "model")
    kinds = [item.data_type for item in model.graph.initializer if len(item.raw_data) and len(item.dims) > 1]
    assert kinds.count(TensorProto.INT4) == 3  # stem, point and dense; a depthwise kernel keeps 8 bits
    assert kinds.count(TensorProto.INT8) == 1
    assert model.opset_import[0].version == 21
    for precision in ("fp32", "fp16", "w8", "int8"):
        onnx_format.write(lowered(network(), precision), tmp_path / "model")
        assert onnx.load(tmp_path / "model").opset_import[0].version == 17


@given(st.lists(st.integers(-8, 7), min_size=1, max_size=33))
def test_four_bit_numbers_are_packed_as_onnx_reads_them(values):
    packed = TensorProto(
        data_type=TensorProto.INT4, dims=[len(values)], raw_data=pack(np.array(values, np.int8))
    )
    assert onnx.numpy_helper.to_array(packed).astype(int).tolist() == values


def test_names_are_short_and_never_meet():
    names = [short(number) for number in range(20_000)]
    assert len(set(names)) == len(names)
    assert names[0] == "a"
    assert max(map(len, names)) == 4


@pytest.mark.parametrize("flexible", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_files_are_valid_and_say_their_shapes(tmp_path, name, precision, flexible):
    graph = lowered(NETWORKS[name](), precision)
    onnx_format.write(graph, tmp_path / "model", flexible=flexible)
    model = onnx.load(tmp_path / "model")
    onnx.checker.check_model(model, full_check=True)
    shapes = [
        [size.dim_param or size.dim_value for size in end.type.tensor_type.shape.dim]
        for end in (*model.graph.input, *model.graph.output)
    ]
    height, width, channels = graph.input.shape
    batch = "batch" if flexible else 1
    assert shapes == [[batch, channels, height, width], [batch, 4]]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_labels_preprocessing_and_precision_lie_in_the_file(tmp_path, precision):
    graph = replace(lowered(network(), precision), labels=("null", "größer"), pixel_scale=1 / 127.5)
    onnx_format.write(graph, tmp_path / "model")
    model = onnx.load(tmp_path / "model")
    properties = {item.key: item.value for item in model.metadata_props}
    assert json.loads(properties["edgebuild.labels"]) == ["null", "größer"]
    assert float(properties["edgebuild.pixel_scale"]) == 1 / 127.5
    assert properties["edgebuild.layout"] == "NCHW"
    assert properties["edgebuild.precision"] == precision
    assert "edgebuild.pixel_scale" in model.doc_string


def test_two_processes_write_the_same_bytes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from edgebuild.formats import onnx; from tests.networks import NETWORKS;"
        "from tests.formats.test_onnx_file import PRECISIONS, lowered\n"
        "for name, make in NETWORKS.items():\n"
        "  for precision in PRECISIONS:\n"
        "    graph = lowered(make(), precision)\n"
        "    onnx.write(graph, Path(sys.argv[1], f'{name}-{precision}'))"
    )
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)],
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
    first, second = ({file.name: file.read_bytes() for file in (tmp_path / seed).iterdir()} for seed in "12")
    assert len(first) == len(NETWORKS) * len(PRECISIONS)
    assert first == second


@pytest.mark.parametrize("name", NETWORKS)
def test_equal_constants_are_stored_once(tmp_path, name):
    onnx_format.write(lowered(NETWORKS[name](), "int8"), tmp_path / "model")
    stored = [item.SerializeToString() for item in _unnamed(tmp_path / "model")]
    assert len(set(stored)) == len(stored)


def _unnamed(path: Path) -> Iterator[TensorProto]:
    for item in onnx.load(path).graph.initializer:
        item.name = ""
        yield item


def test_an_integer_file_takes_at_most_two_fifths_more_than_its_numbers(tmp_path):
    graph = lowered(student(), "int8")
    onnx_format.write(graph, tmp_path / "model")
    weights = [node.weights for node in graph if node.weights]
    numbers = sum(item["kernel"].values.nbytes + item["bias"].values.nbytes for item in weights)
    scales = sum(item["kernel"].scale.nbytes for item in weights)
    assert (tmp_path / "model").stat().st_size < 1.4 * (numbers + scales)


def test_an_integer_file_is_smaller_than_the_one_that_onnx_runtime_quantizes(tmp_path, caplog):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self, batch: np.ndarray) -> None:
            self.left = iter(batch.transpose(0, 3, 1, 2))

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.left, None)
            return None if image is None else {"image": image[None]}

    graph = student()
    onnx_format.write(graph, tmp_path / "float")
    onnx_format.write(lowered(graph, "int8"), tmp_path / "ours")
    with caplog.at_level(logging.ERROR):
        quantize_static(
            str(tmp_path / "float"),
            str(tmp_path / "theirs"),
            Reader(images(graph, 8)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    ours, theirs = ((tmp_path / name).stat().st_size for name in ("ours", "theirs"))
    assert ours < 0.8 * theirs
