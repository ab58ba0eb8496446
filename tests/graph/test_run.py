"""The numpy reference against ONNX's own reference implementation, and its integers against plain loops."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from edgebuild.formats.onnx import write
from edgebuild.graph.ir import Grid, same_padding
from edgebuild.graph.run import code_bounds, codes, real, run
from tests.networks import images, lowered, network


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

    from edgebuild.graph.run import activations

    np.testing.assert_array_equal(codes(activations(graph, batch)["stem"], stem.grid), expected)


def test_int8_stays_close_to_the_float_graph_that_it_came_from():
    graph = network()
    quantized = lowered(graph, "int8")
    batch = images(graph)
    assert np.abs(run(quantized, batch) - run(graph, batch)).max() < 8 * quantized.output.grid.scale


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
    assert high == min(127, zero_point + round(6 / grid.scale))
    assert code_bounds("none", grid) == (-128, 127)


@given(st.integers(1, 64), st.integers(1, 7), st.integers(1, 3))
def test_same_padding_gives_ceil_of_size_over_stride(size, kernel, stride):
    before, after = same_padding(size, kernel, stride)
    assert after - before in (0, 1)
    if before or after:
        assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
