"""The integer grid: properties that hold for any numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgebuild.compress.quantize import BIAS_CODES, to_fp16, to_w4, to_w8
from edgebuild.compress.weights import least_error, per_channel
from edgebuild.errors import GraphError
from edgebuild.graph.ir import Weight
from edgebuild.graph.run import run
from tests.networks import NETWORKS, images, lowered, network

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


kernels = hnp.arrays(np.float32, (3, 3, 2, 4), elements=st.floats(-10, 10, width=32))


@given(kernels, st.integers(2, 3))
@settings(deadline=None)
def test_four_bits_are_seven_steps_either_way(values, axis):
    weight = least_error(values, axis, 4)
    assert weight.bits == 4
    assert np.abs(weight.values).max() <= 7
    assert not weight.values[values == 0].any()


@given(kernels, st.integers(2, 3))
@settings(deadline=None)
def test_a_searched_scale_is_never_worse_than_the_largest_weight(values, axis):
    shape = [1] * 4
    shape[axis] = -1
    others = tuple(index for index in range(4) if index != axis)
    plain = np.abs(values).max(axis=others, keepdims=True) / np.float32(7)
    plain[plain < np.finfo(np.float32).tiny] = 1
    error = np.square(np.rint(values / plain) * plain - values).sum(axis=others, dtype=np.float64)
    found = np.square(least_error(values, axis, 4).real() - values).sum(axis=others, dtype=np.float64)
    assert (found <= error * (1 + 1e-4) + 1e-9).all()


@given(kernels)
@settings(deadline=None)
def test_weights_that_are_on_a_four_bit_grid_stay_as_they_are(values):
    once = least_error(values, 3, 4).real()
    np.testing.assert_allclose(least_error(once, 3, 4).real(), once, rtol=1e-6)


def test_w4_leaves_depthwise_kernels_in_eight_bits_and_biases_in_float():
    graph = to_w4(network())
    assert {node.name: node.weights["kernel"].bits for node in graph if node.weights} == {
        "stem": 4,
        "depth": 8,
        "point": 4,
        "last": 4,
    }
    assert graph["stem"].weights["bias"].values.dtype == np.float32
    assert graph.precision == "w4"


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_small_weights_stay_near_float32(name):
    graph = NETWORKS[name]()
    batch = images(graph)
    truth = run(graph, batch)
    error = {
        bits: np.abs(run(lower(graph), batch) - truth).mean() for bits, lower in ((8, to_w8), (4, to_w4))
    }
    assert error[8] < 0.02 * np.ptp(truth)
    assert error[8] < error[4] < 0.25 * np.ptp(truth)
