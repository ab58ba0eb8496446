"""Counts, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgebuild.graph.count import count
from edgebuild.graph.ir import Graph, Weight
from tests.networks import network


def test_parameters_and_macs_of_the_test_network():
    counts = count(network(size=9, channels=2))
    kernels = {"stem": 3 * 3 * 2 * 6, "depth": 3 * 3 * 6, "point": 6 * 6, "last": 6 * 4}
    assert counts.parameters == sum(kernels.values()) + 6 + 6 + 6 + 4
    assert counts.macs == 25 * (kernels["stem"] + kernels["depth"] + kernels["point"]) + kernels["last"]


def test_zeros_are_counted_apart():
    graph = network()
    stem = graph["stem"]
    kernel = stem.weights["kernel"].values.copy()
    kernel[0] = 0
    sparse = replace(stem, weights={**stem.weights, "kernel": Weight(kernel, axis=3)})
    counts = count(Graph((graph.nodes[0], sparse, *graph.nodes[2:]), "fp32", graph.labels))
    assert counts.parameters - counts.nonzero_parameters == int(np.prod(kernel[0].shape))
