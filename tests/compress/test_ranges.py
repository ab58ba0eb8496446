"""Activation ranges: each way of finding them, on numbers whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import edgebuild.graph.run as reference
from edgebuild.compress.grids import grid_of
from edgebuild.compress.ranges import BINS, RANGES, Histogram, observe
from edgebuild.errors import GraphError
from edgebuild.graph.codes import codes, real
from edgebuild.graph.ir import Graph, Node, Weight
from tests.networks import images, network

IDENTITY = Graph(
    (
        Node("image", "input", (), (1, 1, 1)),
        Node("same", "pad", ("image",), (1, 1, 1)),
    ),
    "fp32",
    ("a",),
)


def grid_for(values, ranges, percentile=99.0, tensor="same"):
    return observe(IDENTITY, values.reshape(-1, 1, 1, 1), ranges=ranges, percentile=percentile)[tensor]


def histogram_of(values):
    low, high = float(values.min()), float(values.max())
    return Histogram(low, high, np.histogram(values, BINS, (low, high))[0])


samples = st.integers(0, 2**31).map(
    lambda seed: np.random.default_rng(seed).standard_t(3, 5000).astype(np.float32)
)


@given(samples)
@settings(max_examples=20, deadline=None)
def test_extremes_are_those_of_all_chunks(values):
    assert grid_for(values, "minmax") == grid_of(float(values.min()), float(values.max()))


@given(samples, st.floats(60, 100))
@settings(max_examples=20, deadline=None)
def test_percentiles_are_exact_up_to_a_bin(values, percentile):
    found = RANGES["percentile"](histogram_of(values), percentile)
    width = np.ptp(values) / BINS
    ordered = np.sort(values)
    for end, share in zip(found, (100 - percentile, percentile), strict=True):
        at = share / 100 * len(values)
        near = ordered[[max(int(at) - 1, 0), min(int(at), len(values) - 1)]]
        assert near.min() - 1.01 * width <= end <= near.max() + 1.01 * width


@given(samples)
@settings(max_examples=10, deadline=None)
def test_mse_has_no_more_squared_error_than_the_extremes(values):
    def error(grid):
        return np.square(real(codes(values, grid), grid) - values, dtype=np.float64).sum()

    assert error(grid_for(values, "mse")) <= error(grid_for(values, "minmax")) * 1.01


def test_mse_clips_an_outlier_as_far_as_the_finer_steps_are_worth_it():
    values = np.append(np.random.default_rng(0).normal(0, 1, 100_000), 60).astype(np.float32)
    grid = grid_for(values, "mse")
    # (60 - c)² + 100,000 · ((c + 4) / 255)² / 12 is least near c = 53
    assert grid.scale * (127 - grid.zero_point) == pytest.approx(53, abs=1.5)


@given(hnp.arrays(np.uint8, 50), st.sampled_from([1 / 255, 1 / 16, 0.3]), st.sampled_from(sorted(RANGES)))
@settings(deadline=None)
def test_whole_pixels_lose_nothing_on_the_grid_of_the_input(pixels, scale, ranges):
    real_pixels = pixels.reshape(-1, 1, 1, 1).astype(np.float32) * np.float32(scale)
    graph = replace(IDENTITY, pixel_scale=scale)
    grid = observe(graph, real_pixels, ranges=ranges, percentile=60)["image"]
    np.testing.assert_array_equal(codes(real_pixels, grid).reshape(-1), pixels.astype(int) - 128)


@pytest.mark.parametrize("ranges", sorted(RANGES))
@pytest.mark.parametrize("values", [[-1.0, 0, 1], [0.0, 0.3, 1], [0.0, 1, 2]])
def test_an_input_of_other_numbers_keeps_its_extremes(ranges, values):
    values = np.array(values, np.float32)
    expected = grid_of(float(values.min()), float(values.max()))
    assert grid_for(values, ranges, 60, tensor="image") == expected


def test_mse_keeps_a_uniform_tensor_whole():
    values = np.random.default_rng(0).uniform(0, 1, 10_000).astype(np.float32)
    assert grid_for(values, "mse").scale == pytest.approx(1 / 255, rel=0.02)


def test_a_dead_tensor_has_the_grid_of_zeros_in_every_way():
    values = np.zeros(10, np.float32)
    assert {grid_for(values, ranges) for ranges in RANGES} == {grid_of(0, 0)}


@pytest.mark.parametrize("ranges", sorted(RANGES))
def test_the_size_of_chunks_changes_nothing(monkeypatch, ranges):
    graph = network()
    whole = observe(graph, images(graph), ranges=ranges, percentile=99)
    monkeypatch.setattr(reference, "CHUNK", 7)
    parts = observe(graph, images(graph), ranges=ranges, percentile=99)
    assert parts.keys() == whole.keys()
    for name, grid in whole.items():
        assert parts[name].scale == pytest.approx(grid.scale, rel=1e-4)


def test_percentiles_give_a_narrower_grid_than_extremes():
    graph = network()
    wide = observe(graph, images(graph), ranges="minmax", percentile=90)
    narrow = observe(graph, images(graph), ranges="percentile", percentile=90)
    assert narrow["stem"].scale < wide["stem"].scale


def test_a_tensor_that_is_not_finite_is_refused_by_name():
    graph = network()
    bias = np.array([np.inf, 0, 0, 0], np.float32)
    bad = replace(graph["last"], weights={**graph["last"].weights, "bias": Weight(bias)})
    with pytest.raises(GraphError, match="last must be finite to be put on a grid"):
        observe(replace(graph, nodes=(*graph.nodes[:-1], bad)), images(graph), ranges="mse", percentile=99)
