"""Bias correction: layers of the lowered network have the means of the float one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import edgebuild.graph.run as reference
from edgebuild.compress.bias import correct_bias
from edgebuild.compress.quantize import to_int8, to_w4, to_w8
from edgebuild.compress.ranges import observe
from edgebuild.graph.ir import Graph, Grid
from edgebuild.graph.run import activations, run
from tests.networks import NETWORKS, images, network


def observed(graph: Graph) -> dict[str, Grid]:
    return dict(observe(graph, images(graph), ranges="minmax", percentile=100))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_means_of_linear_layers_are_those_of_float(name):
    graph = NETWORKS[name]()
    batch = images(graph)
    corrected = to_w4(correct_bias(graph, to_w4(graph), batch))
    truth, before, after = (activations(each, batch) for each in (graph, to_w4(graph), corrected))
    for node in graph:
        if node.weights and node.activation == "none":
            means = [
                each[node.name].reshape(-1, node.shape[-1]).mean(axis=0) for each in (truth, before, after)
            ]
            np.testing.assert_allclose(means[2], means[0], atol=1e-4)
            assert np.abs(means[2] - means[0]).max() <= np.abs(means[1] - means[0]).max()


@pytest.mark.parametrize("name", ["branches", "flat", "mobile", "network"])
def test_the_mean_logits_of_int8_come_closer(name):
    graph = NETWORKS[name]()
    batch, grids = images(graph, 200), observed(graph)
    # Coarse grids, so that there is an error worth correcting.
    grids = {
        node: Grid(grid.scale * 4, int(np.clip(grid.zero_point // 4 - 90, -128, 127)))
        for node, grid in grids.items()
    }
    integer = to_int8(graph, grids)
    corrected = to_int8(correct_bias(graph, integer, batch), grids)
    truth = run(graph, batch).mean(axis=0)
    before, after = (np.abs(run(each, batch).mean(axis=0) - truth).max() for each in (integer, corrected))
    assert after <= max(before, grids["last"].scale * 0.5)
    assert after < 0.6 * grids["last"].scale + 1e-4


def test_a_mixed_graph_is_corrected_too():
    graph = network()
    batch, grids = images(graph), observed(graph)
    mixed = to_int8(graph, grids, ["point"])
    corrected = correct_bias(graph, mixed, batch)
    means = [
        activations(each, batch)["point"].reshape(-1, 6).mean(axis=0)
        for each in (graph, to_int8(corrected, grids, ["point"]))
    ]
    np.testing.assert_allclose(means[1], means[0], atol=1e-5)


def test_without_an_error_nothing_changes():
    graph = network()
    corrected = correct_bias(graph, replace(graph, precision="w8"), images(graph))
    for before, after in zip(graph, corrected, strict=True):
        if before.weights:
            np.testing.assert_allclose(after.weights["bias"].values, before.weights["bias"].values, atol=1e-6)


def test_only_biases_change():
    graph = network()
    corrected = correct_bias(graph, to_w8(graph), images(graph))
    for before, after in zip(graph, corrected, strict=True):
        assert replace(after, weights={}) == replace(before, weights={})
        if before.weights:
            assert after.weights["kernel"] is before.weights["kernel"]


def test_the_size_of_chunks_changes_nothing(monkeypatch):
    graph = network()
    whole = correct_bias(graph, to_int8(graph, observed(graph)), images(graph))
    monkeypatch.setattr(reference, "CHUNK", 9)
    parts = correct_bias(graph, to_int8(graph, observed(graph)), images(graph))
    for one, other in zip(whole, parts, strict=True):
        if one.weights:
            np.testing.assert_allclose(one.weights["bias"].values, other.weights["bias"].values, atol=1e-5)
