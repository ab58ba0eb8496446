"""Cross-layer equalization: the function stays, the ranges become equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild.compress.equalize import Pair, equalize, pairs
from edgebuild.compress.quantize import to_w8
from edgebuild.graph.ir import CHANNEL_AXIS, Graph, Weight
from edgebuild.graph.run import run
from tests.networks import NETWORKS, Maker, images


def chain(seed: int = 0, relu: str = "relu", spread: float = 0.0) -> Graph:
    """conv, depthwise, pad, pointwise, pool, flatten, dense; channels differ by ``spread`` decades."""
    make = Maker(seed, (8, 8, 2))
    make.weighted("stem", "conv2d", "image", (8, 8, 5), 3, padding="same", activation=relu)
    make.weighted("depth", "depthwise_conv2d", "stem", (8, 8, 5), 3, padding="same", activation=relu)
    make.add("framed", "pad", "depth", (10, 10, 5), pads=((1, 1), (1, 1)))
    make.weighted("point", "conv2d", "framed", (10, 10, 6))
    make.add("bent", "activation", "point", (10, 10, 6), activation="relu")
    make.add("peaks", "max_pool", "bent", (5, 5, 6), window=(2, 2), strides=(2, 2))
    make.add("flat", "flatten", "peaks", (150,))
    make.weighted("wide", "dense", "flat", (7,), activation=relu)
    make.weighted("last", "dense", "wide", (4,))
    graph, generator = make.graph(), np.random.default_rng(seed)
    nodes = []
    for node in graph:
        if node.weights:
            kernel = node.weights["kernel"]
            shape = [1] * kernel.values.ndim
            shape[kernel.axis] = -1
            factors = 10 ** generator.uniform(-spread, spread, kernel.values.shape[kernel.axis])
            values = (kernel.values * factors.reshape(shape)).astype(np.float32)
            bias = Weight((node.weights["bias"].values * factors).astype(np.float32))
            node = replace(node, weights={"kernel": replace(kernel, values=values), "bias": bias})
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


@given(st.integers(0, 2**31), st.sampled_from(sorted(NETWORKS)))
@settings(max_examples=15, deadline=None)
def test_the_function_of_every_network_stays(seed, name):
    graph = NETWORKS[name]()
    batch = images(graph, 8, seed)
    truth = run(graph, batch)
    np.testing.assert_allclose(run(equalize(graph), batch), truth, atol=1e-5 * (1 + np.abs(truth).max()))


@given(st.integers(0, 2**31), st.floats(0, 2))
@settings(max_examples=15, deadline=None)
def test_the_function_of_a_chain_stays_whatever_its_channels_were(seed, spread):
    graph = chain(seed, spread=spread)
    batch = images(graph, 8)
    truth = run(graph, batch)
    np.testing.assert_allclose(run(equalize(graph), batch), truth, atol=1e-5 * np.abs(truth).max())


def test_both_ranges_of_every_channel_become_equal():
    graph = equalize(chain(spread=1))
    for pair in pairs(graph):
        first, second = graph[pair.first], graph[pair.second]
        own = np.moveaxis(first.weights["kernel"].values, CHANNEL_AXIS[first.op], 0)
        after = np.moveaxis(second.weights["kernel"].values, 0 if second.op == "dense" else 2, 0)
        own = np.abs(own.reshape(len(own), -1)).max(axis=1)
        theirs = np.abs(after.reshape(-1, len(own), after[0].size)).max(axis=(0, 2))
        np.testing.assert_allclose(own, theirs, rtol=0.01)


def test_pairs_reach_across_what_is_homogeneous():
    assert pairs(chain()) == (
        Pair("stem", "depth"),
        Pair("depth", "point"),
        Pair("point", "wide"),
        Pair("wide", "last"),
    )


def test_no_pair_reaches_across_a_relu6():
    assert pairs(chain(relu="relu6")) == (Pair("point", "wide"),)


def test_no_pair_reaches_across_a_tensor_that_two_nodes_read():
    assert pairs(NETWORKS["network"]()) == (Pair("depth", "point"),)


def test_dead_channels_stay_as_they_are():
    graph = chain()
    kernel = graph["stem"].weights["kernel"].values.copy()
    kernel[..., 1] = 0
    stem = replace(graph["stem"], weights={**graph["stem"].weights, "kernel": Weight(kernel, axis=3)})
    graph = replace(graph, nodes=tuple(stem if node.name == "stem" else node for node in graph))
    equalized = equalize(graph)
    assert np.isfinite(run(equalized, images(graph))).all()
    assert not equalized["stem"].weights["kernel"].values[..., 1].any()
    assert equalized["stem"].weights["bias"].values[1] == stem.weights["bias"].values[1]


def test_zeros_stay_zeros():
    graph = chain()
    kernel = graph["point"].weights["kernel"].values.copy()
    kernel[np.abs(kernel) < np.median(np.abs(kernel))] = 0
    point = replace(graph["point"], weights={**graph["point"].weights, "kernel": Weight(kernel, axis=3)})
    graph = replace(graph, nodes=tuple(point if node.name == "point" else node for node in graph))
    np.testing.assert_array_equal(equalize(graph)["point"].weights["kernel"].values == 0, kernel == 0)


def test_weights_of_uneven_channels_lose_less_in_eight_bits():
    graph = chain(spread=1)
    batch = images(graph)
    truth = run(graph, batch)
    plain, equalized = (
        np.square(run(to_w8(candidate), batch) - truth).mean() for candidate in (graph, equalize(graph))
    )
    assert equalized < 0.5 * plain


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_only_weights_change(name):
    graph = NETWORKS[name]()
    for before, after in zip(graph, equalize(graph), strict=True):
        assert replace(after, weights={}) == replace(before, weights={})
        assert all(weight.values.dtype == np.float32 for weight in after.weights.values())
