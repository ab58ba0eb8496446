"""The integer grid: properties that hold for any numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgebuild.compress.quantize import BIAS_CODES, per_channel, to_fp16, to_int8
from edgebuild.compress.ranges import grid_of, observe
from edgebuild.errors import GraphError
from edgebuild.graph.ir import Weight
from edgebuild.graph.run import run
from tests.networks import images, lowered, network

floats = st.floats(-1e4, 1e4, width=32)


@given(hnp.arrays(np.float32, (3, 3, 2, 4), elements=floats), st.integers(2, 3))
def test_weights_are_within_half_a_step(values, axis):
    weight = per_channel(values, axis)
    assert weight.values.dtype == np.int8
    assert weight.values.min() >= -127
    shape = [1] * 4
    shape[axis] = -1
    steps = weight.scale.reshape(shape)
    assert (np.abs(weight.real() - values) <= steps * 0.5 * (1 + 1e-5)).all()


@given(hnp.arrays(np.float32, (2, 2, 1, 3), elements=floats))
def test_zeros_stay_zeros(values):
    values[0] = 0
    assert not per_channel(values, 3).values[0].any()


@given(floats, floats)
def test_a_grid_represents_zero_exactly_and_spans_the_range(low, high):
    low, high = min(low, high), max(low, high)
    grid = grid_of(low, high)
    assert -128 <= grid.zero_point <= 127
    bottom, top = ((code - grid.zero_point) * grid.scale for code in (-128, 127))
    tolerance = grid.scale * 0.51
    assert bottom - tolerance <= min(low, 0)
    assert max(high, 0) <= top + tolerance


def test_a_pruned_filter_with_a_bias_cannot_overflow_int32():
    graph = network()
    stem = graph["stem"]
    kernel = stem.weights["kernel"].values.copy()
    kernel[..., 0] = 0
    bias = stem.weights["bias"].values.copy()
    bias[0] = 3.0
    node = replace(stem, weights={"kernel": Weight(kernel, axis=3), "bias": Weight(bias)})
    graph = replace(graph, nodes=tuple(node if other is stem else other for other in graph))
    quantized = lowered(graph, "int8")
    stored = quantized["stem"].weights["bias"]
    assert abs(int(stored.values[0])) <= BIAS_CODES + 1
    assert stored.real()[0] == pytest.approx(3.0, rel=1e-5)
    batch = images(graph)
    assert np.abs(run(quantized, batch) - run(graph, batch)).max() < 8 * quantized.output.grid.scale


def test_flatten_shares_the_grid_of_its_input():
    quantized = lowered(network(flat=True), "int8")
    assert quantized["pool"].grid == quantized["join"].grid


def test_a_relu_gets_the_whole_grid():
    assert lowered(network(), "int8")["stem"].grid.zero_point == -128


def test_percentiles_give_a_narrower_grid_than_extremes():
    graph = network()
    wide = observe(graph, images(graph), ranges="minmax", percentile=90)
    narrow = observe(graph, images(graph), ranges="percentile", percentile=90)
    assert narrow["stem"].scale < wide["stem"].scale


def test_a_bias_has_the_scale_of_input_times_kernel():
    graph = lowered(network(), "int8")
    for node in graph:
        if node.weights:
            step = np.float32(graph[node.inputs[0]].grid.scale)
            np.testing.assert_array_equal(node.weights["bias"].scale, step * node.weights["kernel"].scale)


def test_a_weight_beyond_float16_is_refused_by_name():
    graph = network()
    big = replace(
        graph["last"], weights={**graph["last"].weights, "bias": Weight(np.full(4, 1e5, np.float32))}
    )
    with pytest.raises(GraphError, match="last: bias exceeds the range of float16"):
        to_fp16(replace(graph, nodes=(*graph.nodes[:-1], big)))


def test_every_tensor_needs_a_grid():
    with pytest.raises(KeyError):
        to_int8(network(), {})
