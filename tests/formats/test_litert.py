"""LiteRT: every op, precision and batch, executed by XNNPACK and read back from the file."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tfl
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild.errors import GraphError
from edgebuild.formats import litert
from edgebuild.formats.tflite import serialize
from edgebuild.formats.tflite.linear import FEW_WEIGHTS
from edgebuild.formats.tflite.writer import _nibbles
from edgebuild.graph.ir import Graph, Grid, Node
from edgebuild.graph.run import run
from tests.formats.tflite_reader import Op, lowered, operators, parse, read_back, weights
from tests.networks import NETWORKS, Maker, images, network, with_float

FLOATS = ("fp32", "fp16", "w8", "w4")
PRECISIONS = (*FLOATS, "int8")


def written(graph: Graph, path, flexible: bool = False) -> litert.LiteRTSession:
    litert.write(graph, path, flexible=flexible)
    return litert.load(path, 1)


def one_by_one(session: litert.LiteRTSession, batch: np.ndarray) -> np.ndarray:
    return np.concatenate([session.predict(batch[index : index + 1]) for index in range(len(batch))])


def delegated(session: litert.LiteRTSession) -> int:
    """In how many pieces XNNPACK executes the file: 1 if it executes all of it."""
    return Counter(item["op_name"] for item in session._interpreter._get_ops_details())["DELEGATE"]


@pytest.mark.parametrize("precision", FLOATS)
@pytest.mark.parametrize("name", NETWORKS)
def test_float_files_compute_every_op(tmp_path, name, precision):
    graph = lowered(NETWORKS[name](), precision)
    batch = images(graph, 40)
    found, expected = written(graph, tmp_path / "model").predict(batch), run(graph, batch)
    assert np.abs(found - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_integer_files_give_the_codes_of_the_reference(tmp_path, name):
    """With XNNPACK, the delegate that LiteRT uses by default: at most a step, and every label."""
    graph = lowered(NETWORKS[name](), "int8")
    batch = images(graph, 300, seed=5) * 2 - np.float32(0.5)
    found, expected = written(graph, tmp_path / "model").predict(batch), run(graph, batch)
    steps = np.abs(found - expected) / graph.output.grid.scale
    assert steps.max() < 1.01
    assert (steps < 0.5).mean() >= 0.999
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize(("name", "kept"), [("network", "join"), ("gated", "more"), ("mobile", "bent")])
def test_a_node_kept_in_float_computes_between_dequantize_and_quantize(tmp_path, name, kept):
    graph = NETWORKS[name]()
    mixed = with_float(lowered(graph, "int8"), graph, kept)
    batch = images(mixed, 200, seed=5)
    steps = (written(mixed, tmp_path / "model").predict(batch) - run(mixed, batch)) / mixed.output.grid.scale
    assert np.abs(steps).max() < 1.01


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_and_scales_in_the_file_are_those_of_the_graph(tmp_path, name, precision):
    graph = lowered(NETWORKS[name](), precision)
    litert.write(graph, tmp_path / "model")
    found, expected = read_back(tmp_path / "model"), weights(graph)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for key, weight in theirs.items():
            values = ours[key].values.reshape(weight.values.shape)
            np.testing.assert_array_equal(values, weight.values, strict=True)
            assert ours[key].bits == weight.bits or (values.shape[0] > 1 and values.size <= FEW_WEIGHTS)
            assert (ours[key].scale is None) == (weight.scale is None)
            if weight.scale is not None:
                np.testing.assert_array_equal(ours[key].scale, weight.scale, strict=True)


def test_grids_in_the_file_are_those_of_the_graph(tmp_path):
    graph = lowered(network(), "int8")
    litert.write(graph, tmp_path / "model")
    tensors = parse(tmp_path / "model").subgraphs[0].tensors
    found = [
        (float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]))
        for tensor in tensors
        if tensor.buffer == 0 and tensor.type == tfl.TensorType.INT8
    ]
    assert found == [(np.float32(node.grid.scale), node.grid.zero_point) for node in graph]


@given(st.lists(st.integers(-8, 7), min_size=1, max_size=33))
def test_four_bit_values_share_bytes_the_first_in_the_low_half(values):
    packed = _nibbles(np.array(values, np.int8))
    assert len(packed) == -(-len(values) // 2)
    halves = [half for byte in packed.tolist() for half in (byte & 0xF, byte >> 4)]
    assert [half - 16 if half > 7 else half for half in halves[: len(values)]] == values


grids = st.builds(
    Grid,
    st.floats(2**-8, 0.25, width=32, exclude_min=True),
    st.integers(-128, 127),
)


def every_code(grid: Grid, shape: tuple[int, int, int]) -> np.ndarray:
    codes = np.random.default_rng(0).permuted(np.tile(np.arange(-128, 128), (8, 4)), axis=1)
    size = int(np.prod(shape))
    return (
        ((codes[:, :size] - grid.zero_point) * np.float32(grid.scale)).astype(np.float32).reshape(-1, *shape)
    )


@given(
    grids,
    st.sampled_from(["same", "valid"]),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
@settings(max_examples=60, deadline=None)
def test_integer_means_round_halves_to_even_also_beside_padding(
    tmp_path_factory, grid, padding, window, strides
):
    size = [7, 5]
    shape = tuple(
        -(-side // step) if padding == "same" else (side - width) // step + 1
        for side, width, step in zip(size, window, strides, strict=True)
    )
    graph = Graph(
        (
            Node("image", "input", (), (7, 5, 3), grid=grid),
            Node("means", "average_pool", ("image",), (*shape, 3), strides, padding, window, grid=grid),
        ),
        "int8",
        (),
    )
    batch = every_code(grid, (7, 5, 3))
    path = tmp_path_factory.mktemp("means") / "model"
    np.testing.assert_array_equal(written(graph, path).predict(batch), run(graph, batch))


@given(
    grids,
    grids,
    st.sampled_from(["relu", "relu6", "hard_silu", "sigmoid", "tanh", "softmax"]),
)
@settings(max_examples=60, deadline=None)
def test_integer_functions_are_at_most_a_step_from_the_reference_on_every_code(
    tmp_path_factory, source, target, function
):
    fixed = {"sigmoid": Grid(1 / 256, -128), "softmax": Grid(1 / 256, -128), "tanh": Grid(1 / 128, 0)}
    target = fixed.get(function, target)
    graph = Graph(
        (
            Node("image", "input", (), (4, 4, 16), grid=source),
            Node("result", "activation", ("image",), (4, 4, 16), activation=function, grid=target),
        ),
        "int8",
        (),
    )
    batch = every_code(source, (4, 4, 16))
    path = tmp_path_factory.mktemp("functions") / "model"
    steps = np.abs(written(graph, path).predict(batch) - run(graph, batch)) / target.scale
    assert steps.max() < 1.01
    assert (steps < 0.5).mean() > 0.98


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
@pytest.mark.parametrize("name", NETWORKS)
def test_xnnpack_executes_the_whole_file(tmp_path, name, precision):
    """All of it in one piece; integer softmax, the end of one of them, has no kernel there."""
    session = written(lowered(NETWORKS[name](), precision), tmp_path / "model")
    pieces = delegated(session)
    assert pieces == (2 if (precision, name) == ("int8", "gated") else 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_xnnpack_executes_four_bit_files_too_where_kernels_of_several_pixels_are_small(tmp_path, name):
    session = written(lowered(NETWORKS[name](), "w4"), tmp_path / "model")
    assert delegated(session) == 1
    ops = Counter(item["op_name"] for item in session._interpreter._get_ops_details())
    assert ops["FULLY_CONNECTED"] == 0
    assert ops["BATCH_MATMUL"] > 0


def test_a_large_four_bit_kernel_of_several_pixels_is_packed(tmp_path):
    make = Maker(0, (5, 5, 16))
    make.weighted("wide", "conv2d", "image", (5, 5, 8), 3, padding="same")
    graph = lowered(make.graph(), "w4")
    session = written(graph, tmp_path / "model")
    (stored,) = read_back(tmp_path / "model")
    assert stored["kernel"].bits == 4
    np.testing.assert_array_equal(stored["kernel"].values, graph["wide"].weights["kernel"].values)
    batch = images(graph, 3)
    np.testing.assert_allclose(session.predict(batch).ravel(), run(graph, batch).ravel(), atol=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_flexible_file_gives_for_many_images_the_bits_that_it_gives_for_one(tmp_path, name, precision):
    graph = lowered(NETWORKS[name](), precision)
    session = written(graph, tmp_path / "flexible", flexible=True)
    batch = images(graph, 70)
    together = session.predict(batch)
    np.testing.assert_array_equal(together, one_by_one(session, batch))
    np.testing.assert_array_equal(together, written(graph, tmp_path / "fixed").predict(batch))


def test_a_flexible_file_leaves_the_batch_of_every_tensor_open(tmp_path):
    graph = network()
    litert.write(graph, tmp_path / "model", flexible=True)
    tensors = parse(tmp_path / "model").subgraphs[0].tensors
    open_ones = [tensor for tensor in tensors if tensor.buffer == 0]
    assert len(open_ones) == len(graph.nodes)
    for tensor in open_ones:
        assert tensor.shapeSignature.tolist() == [-1, *tensor.shape[1:]]
    litert.write(graph, tmp_path / "model")
    assert all(tensor.shapeSignature is None for tensor in parse(tmp_path / "model").subgraphs[0].tensors)


def test_many_images_are_computed_together_where_that_gives_the_same_bits(tmp_path):
    graph = lowered(network(), "int8")
    session = written(graph, tmp_path / "model")
    sizes = []
    resize = session._resize
    session._resize = lambda size: (sizes.append(size), resize(size))
    session.predict(images(graph, 100))
    assert litert.BATCH in sizes
    assert session._ends()[0]["shape"][0] == 1  # ready for one image again


def test_a_file_that_insists_on_one_image_is_asked_one_by_one(tmp_path):
    """A reshape to a constant shape with a batch of 1, as other exporters write it."""
    graph = network(flat=True)
    session = written(graph, tmp_path / "model")
    model = parse(tmp_path / "model")
    reshape = next(operator for code, operator in operators(model) if code == Op.RESHAPE)
    shape = np.array([1, *graph["pool"].shape], np.int32)
    reshape.builtinOptions.newShape = shape
    constant = model.subgraphs[0].tensors[reshape.inputs[1]]
    model.buffers[constant.buffer].data = np.frombuffer(shape.tobytes(), np.uint8)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    (tmp_path / "foreign").write_bytes(bytes(builder.Output()))
    batch = images(graph, 70)
    foreign = litert.load(tmp_path / "foreign", 1)
    np.testing.assert_array_equal(foreign.predict(batch), session.predict(batch))
    assert foreign._batches is False


@pytest.mark.parametrize("precision", PRECISIONS)
def test_both_ends_are_float32_in_every_precision(tmp_path, precision):
    graph = lowered(network(), precision)
    source, target = written(graph, tmp_path / "model")._ends()
    assert (source["name"], source["dtype"], source["shape"].tolist()) == ("image", np.float32, [1, 9, 9, 2])
    assert (target["name"], target["dtype"], target["shape"].tolist()) == ("logits", np.float32, [1, 4])


def test_only_the_ends_have_names_and_equal_vectors_are_stored_once(tmp_path):
    graph = lowered(network(), "int8")
    litert.write(graph, tmp_path / "model")
    model = parse(tmp_path / "model")
    assert [tensor.name for tensor in model.subgraphs[0].tensors if tensor.name] == [b"image", b"logits"]
    assert model.description is None
    assert (tmp_path / "model").read_bytes().count(np.zeros(6, np.int64).tobytes()) == 1


def test_constants_are_aligned_as_the_schema_demands():
    data = serialize(lowered(network(), "w4"), False)
    model = tfl.Model.GetRootAs(data)
    starts = [
        model.Buffers(index)._tab.Vector(model.Buffers(index)._tab.Offset(4))
        for index in range(1, model.BuffersLength())
    ]
    assert len(starts) > 8
    assert {start % 16 for start in starts} == {0}


def test_float_files_demand_no_newer_operators_than_they_need():
    versions = {
        code.builtinCode: code.version
        for code in tfl.ModelT.InitFromObj(tfl.Model.GetRootAs(serialize(network(), False))).operatorCodes
    }
    assert set(versions.values()) == {1}
    quantized = serialize(lowered(network(), "int8"), False)
    versions = {
        code.builtinCode: code.version
        for code in tfl.ModelT.InitFromObj(tfl.Model.GetRootAs(quantized)).operatorCodes
    }
    assert (versions[Op.CONV_2D], versions[Op.FULLY_CONNECTED], versions[Op.ADD]) == (3, 4, 2)


def test_two_processes_write_the_same_bytes_in_every_precision(tmp_path):
    code = (
        "import sys; from pathlib import Path; from edgebuild.formats import litert;"
        "from tests.formats.tflite_reader import lowered; from tests.networks import NETWORKS;"
        "folder = Path(sys.argv[1]); folder.mkdir();"
        "[litert.write(lowered(NETWORKS[name](), precision), folder / (name + precision), flexible=True)"
        " for name in NETWORKS for precision in ('fp32', 'fp16', 'w8', 'w4', 'int8')]"
    )
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)],
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(names) == len(NETWORKS) * len(PRECISIONS)
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_a_label_of_two_lines_is_refused(tmp_path):
    with pytest.raises(GraphError, match="'two\\\\nlines' must be one line"):
        litert.write(replace(network(), labels=("a", "b", "c", "two\nlines")), tmp_path / "model")
