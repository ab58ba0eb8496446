"""The numpy reference against ONNX's own reference implementation, and its integers against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from edgebuild.formats.onnx import write
from edgebuild.graph import floats, integers
from edgebuild.graph.ir import ACTIVATIONS, OPS, PRECISIONS, Grid, Node, Weight, same_padding
from edgebuild.graph.run import activations, chunks, code_bounds, codes, real, run
from tests.networks import NETWORKS, images, lowered, network, with_float


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("relu", ["relu", "relu6", "none"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8"])
def test_float_graphs_compute_what_the_onnx_reference_computes(tmp_path, flat, relu, precision):
    graph = lowered(network(flat=flat, relu=relu), precision)
    write(graph, tmp_path / "model.onnx")
    batch = images(graph, 8) * 8  # large enough for relu6 to clip
    feed = {"image": batch.transpose(0, 3, 1, 2)}
    (expected,) = ReferenceEvaluator(onnx.load(tmp_path / "model.onnx")).run(None, feed)
    np.testing.assert_allclose(run(graph, batch), expected, rtol=1e-4, atol=1e-4)


def test_an_integer_convolution_is_the_sum_that_a_plain_loop_makes():
    graph = lowered(network(), "int8")
    stem, batch = graph["stem"], images(graph, 2)
    kernel, bias = stem.weights["kernel"], stem.weights["bias"]
    source = codes(batch, graph.input.grid).astype(np.int64) - graph.input.grid.zero_point
    before = same_padding(9, 3, 2)[0]
    expected = np.zeros((2, *stem.shape), np.int64)
    for n, y, x, c in np.ndindex(expected.shape):
        total = int(bias.values[c])
        for ky, kx in np.ndindex(3, 3):
            row, column = 2 * y + ky - before, 2 * x + kx - before
            if 0 <= row < 9 and 0 <= column < 9:
                total += int(source[n, row, column] @ kernel.values[ky, kx, :, c].astype(np.int64))
        scale = np.float32(graph.input.grid.scale) * kernel.scale[c] / np.float32(stem.grid.scale)
        low, high = code_bounds("relu", stem.grid)
        expected[n, y, x, c] = np.clip(np.rint(np.float32(total) * scale) + stem.grid.zero_point, low, high)
    np.testing.assert_array_equal(codes(activations(graph, batch)["stem"], stem.grid), expected)


def test_the_test_networks_hold_every_op_and_every_activation():
    nodes = [node for make in NETWORKS.values() for node in make()]
    mixed = with_float(lowered(network(), "int8"), network(), "point")
    assert {node.op for node in [*nodes, *mixed]} == set(OPS)
    assert {node.activation for node in nodes if node.op == "activation"} == set(ACTIVATIONS)


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_stays_close_to_the_float_graph_that_it_came_from(name):
    graph = NETWORKS[name]()
    quantized = lowered(graph, "int8")
    batch = images(graph)
    assert np.abs(run(quantized, batch) - run(graph, batch)).max() < 8 * quantized.output.grid.scale


@pytest.mark.parametrize("name", ["stem", "point", "join", "pool"])
def test_a_node_that_stays_in_float_leaves_the_others_as_they_are(name):
    graph = network()
    integer, batch = lowered(graph, "int8"), images(graph)
    mixed = with_float(integer, graph, name)
    before, after = activations(integer, batch), activations(mixed, batch)
    for source in integer[name].inputs:
        np.testing.assert_array_equal(after[f"{name}_{source}"], before[source])
    node = replace(graph[name], inputs=integer[name].inputs)
    expected = floats.compute(node, [before[source] for source in node.inputs])
    np.testing.assert_array_equal(after[name], expected)
    np.testing.assert_array_equal(
        codes(after[f"{name}_codes"], integer[name].grid), codes(expected, integer[name].grid)
    )


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_tensor_has_the_shape_that_its_node_says(name, precision):
    graph = lowered(NETWORKS[name](), precision)
    batch = images(graph, 3)
    tensors = activations(graph, batch)
    assert {name: values.shape for name, values in tensors.items()} == {
        node.name: (3, *node.shape) for node in graph
    }
    assert {values.dtype for values in tensors.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(run(graph, batch), tensors[graph.output.name])


GRIDS = st.builds(
    Grid, st.floats(1e-3, 1).map(lambda scale: float(np.float32(scale))), st.integers(-128, 127)
)


@given(st.lists(GRIDS, min_size=3, max_size=3), st.sampled_from(["add", "multiply"]), st.integers(0, 9))
def test_integer_arithmetic_is_that_of_the_real_values_to_half_a_step(grids, op, seed):
    one, other = np.random.default_rng(seed).integers(-128, 128, (2, 4, 3, 3, 2)).astype(np.int8)
    node = Node("node", op, ("one", "other"), (3, 3, 2), grid=grids[2])
    found = real(integers.compute(node, [one, other], grids[:2]), grids[2])
    operands = real(one, grids[0]).astype(np.float64), real(other, grids[1]).astype(np.float64)
    expected = operands[0] + operands[1] if op == "add" else operands[0] * operands[1]
    low, high = real(np.array([-128, 127], np.int8), grids[2])
    step = grids[2].scale
    assert (np.abs(found - np.clip(expected, low, high)) <= step / 2 + 1e-5 * np.abs(expected).max()).all()


@given(GRIDS, st.sampled_from(ACTIVATIONS), st.integers(0, 9))
def test_integer_activations_are_those_of_the_real_values(grid, function, seed):
    values = np.random.default_rng(seed).integers(-128, 128, (4, 10)).astype(np.int8)
    node = Node("node", "activation", ("values",), (10,), activation=function, grid=Grid(1 / 64, -5))
    found = integers.compute(node, [values], [grid])
    np.testing.assert_array_equal(found, codes(floats.activate(real(values, grid), function), node.grid))


@given(st.lists(st.floats(-200, 200, width=32), min_size=2, max_size=8))
def test_activation_functions_are_their_definitions_and_never_overflow(values):
    x = np.array([values], np.float32)
    wide = x.astype(np.float64)
    with np.errstate(over="ignore"):
        powers = np.exp(wide - wide.max())
        expected = {
            "sigmoid": 1 / (1 + np.exp(-wide)),
            "tanh": np.tanh(wide),
            "hard_silu": wide * np.clip(wide + 3, 0, 6) / 6,
            "softmax": powers / powers.sum(),
            "relu": np.maximum(wide, 0),
            "relu6": np.clip(wide, 0, 6),
        }
    for function in ACTIVATIONS:
        np.testing.assert_allclose(floats.activate(x, function), expected[function], rtol=1e-5, atol=1e-6)


def test_integer_sums_beyond_what_float32_counts_are_exact():
    """700 products of the largest codes: float32 would drop the last bits of the sum."""
    kernel = np.full((700, 1), 127, np.int8)
    kernel[-1] = 1
    weights = {
        "kernel": Weight(kernel, np.ones(1, np.float32), 1),
        "bias": Weight(np.array([-699 * 255 * 127], np.int32), np.ones(1, np.float32)),
    }
    node = Node("node", "dense", ("image",), (1,), weights=weights, grid=Grid(255.0, 0))
    found = integers.compute(node, [np.full((1, 700), 127, np.int8)], [Grid(1.0, -128)])
    assert found.tolist() == [[1]]


def test_images_are_computed_in_chunks_that_fit_the_memory(monkeypatch):
    graph, batch = network(), images(network(), 10)
    whole = run(graph, batch)
    monkeypatch.setattr("edgebuild.graph.run.CHUNK_NUMBERS", 5000)
    sizes = [len(chunk) for chunk in chunks(graph, batch)]
    assert max(sizes) < 10
    assert sum(sizes) == 10
    np.testing.assert_allclose(run(graph, batch), whole, rtol=1e-6)


def test_chunks_do_not_show():
    graph, batch = network(), images(network(), 300)
    np.testing.assert_array_equal(run(graph, batch)[260:], run(graph, batch[260:]))


@given(st.floats(1e-4, 10), st.integers(-128, 127), st.lists(st.floats(-1e3, 1e3, width=32), min_size=1))
def test_codes_are_the_nearest_that_the_grid_has(scale, zero_point, values):
    grid = Grid(float(np.float32(scale)), zero_point)
    array = np.array(values, np.float32)
    low, high = real(np.array([-128, 127], np.int8), grid)
    error = np.abs(real(codes(array, grid), grid) - np.clip(array, low, high))
    assert (error <= grid.scale * 0.5 * (1 + 1e-3) + 1e-3 * np.abs(array).max()).all()


@given(st.floats(1e-3, 1), st.integers(-128, 127))
def test_activation_bounds_are_the_codes_of_zero_and_six(scale, zero_point):
    grid = Grid(float(np.float32(scale)), zero_point)
    low, high = code_bounds("relu6", grid)
    assert low == zero_point
    assert high == 127 or abs((high - zero_point) * grid.scale - 6) <= grid.scale / 2 * (1 + 1e-6)
    assert (127 - zero_point) * grid.scale <= 6 + grid.scale / 2 * (1 + 1e-6) or high < 127
    assert code_bounds("none", grid) == (-128, 127)


@given(st.integers(1, 64), st.integers(1, 7), st.integers(1, 3))
def test_same_padding_gives_ceil_of_size_over_stride(size, kernel, stride):
    before, after = same_padding(size, kernel, stride)
    assert after - before in (0, 1)
    if before or after:
        assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
