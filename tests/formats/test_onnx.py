"""What ONNX Runtime computes from a written file: every op, in float, on integers, and mixed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgebuild.compress.quantize import to_w4
from edgebuild.formats import onnx as onnx_format
from edgebuild.graph.check import KEEPS_GRID, check
from edgebuild.graph.ir import Graph, Grid, Node
from edgebuild.graph.run import run
from tests import networks
from tests.networks import NETWORKS, Maker, images, network, with_float

#: Float operators that an int8 file must not leave to the runtime.
FLOAT = {"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "Add", "AveragePool", "GlobalAveragePool"}


def lowered(graph: Graph, precision: str) -> Graph:
    return to_w4(graph) if precision == "w4" else networks.lowered(graph, precision)


def written(graph: Graph, folder: Path, **options: bool) -> onnx_format.ONNXSession:
    onnx_format.write(graph, folder / "model.onnx", **options)
    return onnx_format.ONNXSession(folder / "model.onnx", 1, optimized=folder / "optimized.onnx")


def executed(folder: Path) -> Counter[str]:
    """The operators that the runtime really executes, by type."""
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


def assert_equal_codes(session: onnx_format.ONNXSession, graph: Graph, count: int = 300) -> None:
    """At most a step from the reference, nearly always none, and every label the same."""
    batch = images(graph, count, seed=5)
    found, expected = session.predict(batch), run(graph, batch)
    steps = np.abs(found - expected) / graph.output.grid.scale
    assert steps.max() < 1.01
    assert (steps < 0.5).mean() >= 0.999
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def wide(channels: int = 3, size: int = 12, outputs: int = 20) -> Graph:
    """A stem as wide as the runtime's fast kernels need it."""
    make = Maker(0, (size, size, channels))
    make.weighted("stem", "conv2d", "image", (size, size, outputs), 3, padding="same", activation="relu")
    make.add("pool", "global_average_pool", "stem", (outputs,))
    make.weighted("last", "dense", "pool", (4,))
    return make.graph()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "w4"])
@pytest.mark.parametrize("name", NETWORKS)
def test_float_files_compute_every_op(tmp_path, name, precision):
    graph = lowered(NETWORKS[name](), precision)
    batch = images(graph, 40) * 2 - np.float32(0.5)
    found, expected = written(graph, tmp_path).predict(batch), run(graph, batch)
    assert np.abs(found - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_integer_files_compute_every_op(tmp_path, name):
    graph = lowered(NETWORKS[name](), "int8")
    assert_equal_codes(written(graph, tmp_path), graph)


@pytest.mark.parametrize("name", NETWORKS)
def test_integer_files_leave_no_float_operator_to_the_runtime_but_tanh_and_hard_silu(tmp_path, name):
    graph = lowered(NETWORKS[name](), "int8")
    written(graph, tmp_path)
    ops, functions = executed(tmp_path), Counter(node.activation for node in graph)
    assert not FLOAT & ops.keys()
    assert ops["Tanh"] == functions["tanh"]
    assert ops["HardSigmoid"] == ops["Mul"] == functions["hard_silu"]
    between = functions["tanh"] + functions["hard_silu"]
    requantized = sum(node.op == "activation" and node.activation in ("relu", "relu6") for node in graph)
    assert 1 + between <= ops["QuantizeLinear"] <= 1 + between + requantized


def test_the_ops_of_integer_files_are_fused_into_integer_kernels(tmp_path):
    ops: Counter[str] = Counter()
    for make in NETWORKS.values():
        written(lowered(make(), "int8"), tmp_path)
        ops += executed(tmp_path)
    wanted = {
        "QLinearConv", "QLinearAdd", "QLinearMul", "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearSigmoid",
        "QLinearSoftmax", "QGemm", "NhwcMaxPool", "Concat",
    }  # fmt: skip
    assert wanted <= ops.keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_as_uint8_give_the_same_logits(tmp_path, name):
    graph = lowered(NETWORKS[name](), "int8")
    batch = images(graph)
    found = written(graph, tmp_path).predict(batch)
    np.testing.assert_array_equal(written(graph, tmp_path, unsigned=True).predict(batch), found)
    assert not FLOAT & executed(tmp_path).keys()
    kernels = [item for item in onnx.load(tmp_path / "model.onnx").graph.initializer if len(item.dims) == 4]
    ones = sum(node.op == "average_pool" for node in graph)
    assert Counter(item.data_type for item in kernels)[TensorProto.INT8] <= ones


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("network", "stem"), ("network", "depth"), ("network", "last"), ("network", "join"), ("network", "pool"),
        ("branches", "reduced"), ("branches", "all"), ("gated", "excited"), ("mobile", "point"), ("mobile", "bent"),
    ],
)  # fmt: skip
def test_a_node_that_is_kept_in_float_is_executed_in_float(tmp_path, name, kept):
    graph = NETWORKS[name]()
    mixed = with_float(lowered(graph, "int8"), graph, kept)
    assert_equal_codes(written(mixed, tmp_path), mixed)
    if graph[kept].weights:  # the runtime would quantize the kernel of its own accord
        assert sum(executed(tmp_path)[op] for op in ("Conv", "FusedConv", "Gemm", "FusedGemm")) == 1


def test_an_image_of_few_channels_is_widened_where_that_is_faster(tmp_path):
    graph = lowered(wide(), "int8")
    assert_equal_codes(written(graph, tmp_path), graph)
    assert executed(tmp_path)["Pad"] == 1
    for narrow in (wide(size=6), wide(channels=4), wide(outputs=12), wide(outputs=18)):
        written(lowered(narrow, "int8"), tmp_path)
        assert executed(tmp_path)["Pad"] == 0


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_mean_that_becomes_a_map_again_is_never_flattened(tmp_path, precision):
    make = Maker(0, (6, 6, 4))
    make.add("squeeze", "global_average_pool", "image", (4,))
    make.add("tall", "expand", "squeeze", (1, 1, 4))
    make.weighted("gate", "conv2d", "tall", (1, 1, 4))
    make.add("excited", "multiply", "image gate", (6, 6, 4))
    make.add("flat", "flatten", "excited", (144,))
    graph = lowered(make.graph(), precision)
    batch = images(graph)
    np.testing.assert_allclose(
        written(graph, tmp_path).predict(batch), run(graph, batch), rtol=1e-4, atol=1e-6
    )
    assert "Unsqueeze" not in executed(tmp_path)
    assert executed(tmp_path)["Flatten"] == 1


def test_weights_of_w4_are_folded_into_float_constants(tmp_path):
    written(lowered(network(), "w4"), tmp_path)
    assert not {"Cast", "Mul", "DequantizeLinear", "MatMulNBits"} & executed(tmp_path).keys()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_flexible_file_gives_the_logits_of_the_fixed_one(tmp_path, name, precision):
    graph = lowered(NETWORKS[name](), precision)
    batch = images(graph, 30)
    fixed = written(graph, tmp_path).predict(batch)
    flexible = written(graph, tmp_path, flexible=True).predict(batch)
    np.testing.assert_allclose(flexible, fixed, rtol=1e-5, atol=1e-5)


def test_sums_are_exact_on_processors_whose_kernels_saturate(tmp_path, monkeypatch):
    """There the session makes the runtime use the kernels for uint8, which this processor has as well."""
    graph = lowered(network(channels=8), "int8")
    signed = written(graph, tmp_path)
    monkeypatch.setattr(onnx_format, "saturates", lambda: True)
    unsigned = written(graph, tmp_path)
    kernels = [
        item.data_type
        for item in onnx.load(tmp_path / "optimized.onnx").graph.initializer
        if len(item.dims) == 4
    ]
    assert set(kernels) == {TensorProto.UINT8}
    batch = images(graph, 200)
    np.testing.assert_array_equal(unsigned.predict(batch), signed.predict(batch))


def test_the_probe_for_saturation_is_one_product_of_matrices():
    ends = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in (
            ("a", TensorProto.UINT8, [1, 4]),
            ("b", TensorProto.INT8, [4, 16]),
            ("c", TensorProto.INT32, [1, 16]),
        )
    ]
    node = helper.make_node("MatMulInteger", ["a", "b"], ["c"])
    model = helper.make_model(
        helper.make_graph([node], "p", ends[:2], ends[2:]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    assert model.SerializeToString(deterministic=True) == onnx_format.PROBE


def grids_of(prime: int) -> st.SearchStrategy[Grid]:
    """Grids whose scales are multiples of 1/prime: between two primes hardly any result is a tie.

    The runtime adds zero points before it rounds sums to even, the reference after: ties can differ.
    """
    scales = st.integers(4, prime // 4).map(lambda part: float(np.float32(part / prime)))
    return st.builds(Grid, scales, st.integers(-128, 127))


grids, others = grids_of(997), grids_of(991)
IMAGE = (6, 5, 4)


def every_code(grid: Grid) -> np.ndarray:
    """Images (34, 6, 5, 4) whose codes are all codes, in a random order each time."""
    codes = np.random.default_rng(0).permuted(np.tile(np.arange(-128, 128), (16, 1)), axis=1).reshape(-1)
    values = (codes[: 34 * 120] - grid.zero_point) * np.float32(grid.scale)
    return values.astype(np.float32).reshape(-1, *IMAGE)


def on_codes(source: Grid, *nodes: Node) -> Graph:
    graph = Graph((Node("image", "input", (), IMAGE, grid=source), *nodes), "int8", ())
    check(graph, "test")
    return graph


def steps_apart(graph: Graph, folder: Path) -> np.ndarray:
    """How many codes the output of the file is away from the reference, on every code."""
    batch = every_code(graph.input.grid)
    found = written(graph, folder).predict(batch)
    if found.ndim == 4:
        found = found.transpose(0, 2, 3, 1)
    return np.rint(np.abs(found - run(graph, batch)) / graph.output.grid.scale)


@given(
    grids,
    st.sampled_from(["same", "valid"]),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.sampled_from(["average_pool", "max_pool"]),
)
@settings(max_examples=60, deadline=None)
def test_pools_of_codes_give_those_of_the_reference(tmp_path_factory, grid, padding, window, strides, op):
    shape = tuple(
        -(-side // step) if padding == "same" else (side - width) // step + 1
        for side, width, step in zip(IMAGE, window, strides, strict=False)
    )
    pool = Node("pool", op, ("image",), (*shape, 4), strides, padding, window, grid=grid)
    assert steps_apart(on_codes(grid, pool), tmp_path_factory.mktemp("pool")).max() == 0


@given(grids, others, st.sampled_from(["relu", "relu6", "sigmoid", "tanh", "hard_silu", "softmax"]))
@settings(max_examples=60, deadline=None)
def test_functions_of_codes_are_at_most_a_step_from_the_reference(tmp_path_factory, source, target, function):
    fixed = {"sigmoid": Grid(1 / 256, -128), "softmax": Grid(1 / 256, -128), "tanh": Grid(1 / 128, 0)}
    grid = fixed.get(function, target)
    node = Node("result", "activation", ("image",), IMAGE, activation=function, grid=grid)
    steps = steps_apart(on_codes(source, node), tmp_path_factory.mktemp("function"))
    assert steps.max() <= 1
    assert (steps == 0).mean() >= 0.995


@given(grids, others, st.sampled_from(["add", "multiply"]), st.sampled_from(["none", "relu", "relu6"]))
@settings(max_examples=60, deadline=None)
def test_sums_and_products_of_codes_are_at_most_a_step_from_the_reference(
    tmp_path_factory, source, target, op, activation
):
    turned = Node("turned", "activation", ("image",), IMAGE, activation="sigmoid", grid=Grid(1 / 256, -128))
    activation = activation if op == "add" else "none"
    node = Node("result", op, ("image", "turned"), IMAGE, activation=activation, grid=target)
    steps = steps_apart(on_codes(source, turned, node), tmp_path_factory.mktemp("pair"))
    assert steps.max() <= 1
    assert (steps == 0).mean() >= 0.99


@given(grids, st.tuples(*(st.integers(0, 3),) * 4), st.booleans())
@settings(max_examples=20, deadline=None)
def test_padding_adds_the_code_of_zero_and_cropping_takes_it_away(tmp_path_factory, grid, pads, crops):
    (top, bottom, left, right), (height, width, channels) = pads, IMAGE
    framed = (height + top + bottom, width + left + right, channels)
    around = ((top, bottom), (left, right))
    nodes = [Node("framed", "pad", ("image",), framed, pads=around, grid=grid)]
    if crops:
        nodes.append(Node("cut", "crop", ("framed",), IMAGE, pads=around, grid=grid))
    assert steps_apart(on_codes(grid, *nodes), tmp_path_factory.mktemp("pad")).max() == 0


@given(grids, others)
@settings(max_examples=20, deadline=None)
def test_a_grid_between_two_others_is_not_skipped(tmp_path_factory, source, middle):
    """The runtime joins QuantizeLinear, DequantizeLinear, QuantizeLinear into one where it can."""
    first = Node("first", "global_average_pool", ("image",), (1, 1, 4), grid=middle)
    target = replace(middle, scale=float(np.float32(middle.scale / 3)))
    second = Node("second", "activation", ("first",), (1, 1, 4), activation="relu", grid=target)
    steps = steps_apart(on_codes(source, first, second), tmp_path_factory.mktemp("middle"))
    assert (steps == 0).mean() >= 0.99


def test_the_ops_that_keep_a_grid_are_those_that_move_codes_and_the_mean():
    from edgebuild.formats.onnx_ops import MOVES

    assert {*MOVES, "average_pool"} == set(KEEPS_GRID)
