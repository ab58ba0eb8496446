"""What is not a graph is refused, and the message names the node and the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgebuild.errors import GraphError
from edgebuild.graph.check import check
from edgebuild.graph.ir import PRECISIONS, Graph, Grid, Node, Weight
from tests.networks import NETWORKS, branches, gated, lowered, mobile, network, with_float


def changed(graph: Graph, which: str, /, **fields: object) -> Graph:
    nodes = tuple(replace(node, **fields) if node.name == which else node for node in graph)
    return replace(graph, nodes=nodes)


def reweighted(graph: Graph, name: str, key: str, **fields: object) -> Graph:
    weights = graph[name].weights
    return changed(graph, name, weights={**weights, key: replace(weights[key], **fields)})


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_test_networks_are_graphs_in_every_precision(name, precision):
    check(lowered(NETWORKS[name](), precision), name)


@pytest.mark.parametrize("name", ["point", "join", "stem"])
def test_mixed_graphs_are_graphs(name):
    check(with_float(lowered(network(), "int8"), network(), name), "mixed")


KERNEL = network()["stem"].weights["kernel"].values
ANOTHER = Grid(0.5, 3)

STRUCTURE = {
    "op 'conv3d' is not one of": lambda: changed(network(), "stem", op="conv3d"),
    "one input, its first node": lambda: changed(network(), "stem", op="input", inputs=(), weights={}),
    "its name is that of a node before it": lambda: changed(network(), "depth", name="stem"),
    "add reads 2 tensors, found 3": lambda: changed(network(), "join", inputs=("stem", "point", "stem")),
    "concat reads 2 tensors, found 1": lambda: changed(branches(), "pair", inputs=("reduced",)),
    "conv2d reads 1 tensors, found 2": lambda: changed(network(), "point", inputs=("stem", "depth")),
    "reads nothing, which no node before it makes": lambda: changed(network(), "stem", inputs=("nothing",)),
    "activation of conv2d is one of none, relu, relu6": lambda: changed(network(), "stem", activation="tanh"),
    "activation of flatten is one of none, found": lambda: changed(mobile(), "last", activation="relu"),
    "activation of activation is one of relu": lambda: changed(gated(), "gate", activation="none"),
    "padding is same or valid, found 'full'": lambda: changed(network(), "stem", padding="full"),
    "strides and window must be at least 1": lambda: changed(network(), "stem", strides=(0, 1)),
    "pads cannot be negative": lambda: changed(branches(), "framed", pads=((-1, 1), (1, 1))),
    "conv2d takes no window": lambda: changed(network(), "stem", window=(3, 3)),
    "add takes no strides": lambda: changed(network(), "join", strides=(2, 2)),
    "concat takes no pads": lambda: changed(branches(), "pair", pads=((1, 0), (0, 0))),
    "its shape is .4,., found .5,.": lambda: changed(network(), "last", shape=(5,)),
    "add cannot read": lambda: changed(network(), "join", inputs=("stem", "image")),
    "multiply cannot read": lambda: changed(gated(), "silu", inputs=("image", "stem")),
    "depthwise_conv2d cannot read": lambda: changed(network(), "depth", inputs=("image",)),
    "dense cannot read": lambda: changed(network(), "last", inputs=("join",)),
    "concat cannot read": lambda: changed(branches(), "pair", inputs=("reduced", "cut")),
    "crop cannot read": lambda: changed(branches(), "cut", pads=((9, 9), (0, 0))),
    "positive pixel_scale": lambda: replace(network(), pixel_scale=0.0),
    "precision 'int4' is not one of": lambda: replace(network(), precision="int4"),
}

WEIGHTS = {
    "conv2d has the weights": lambda: changed(network(), "stem", weights={}),
    "add has the weights ..": lambda: changed(network(), "join", weights={"bias": Weight(np.ones(6))}),
    "4 axes with channels on axis 3": lambda: reweighted(network(), "stem", "kernel", axis=2),
    "one number per channel": lambda: reweighted(network(), "stem", "bias", values=np.ones(5, np.float32)),
    "its kernel is float32 in fp32, found float64": lambda: reweighted(
        network(), "stem", "kernel", values=KERNEL.astype(np.float64)
    ),
    "its kernel is int8 in w8, found float32": lambda: replace(network(), precision="w8"),
    "a scale exactly if it holds integers": lambda: reweighted(
        lowered(network(), "w8"), "stem", "kernel", scale=None
    ),
    "one scale per channel": lambda: reweighted(
        lowered(network(), "w8"), "stem", "kernel", scale=np.ones(5, np.float32)
    ),
    "only int8 kernels of w4 have 4 bits": lambda: reweighted(
        lowered(network(), "w8"), "stem", "kernel", bits=4
    ),
    "4 bits hold .-7, 7.": lambda: reweighted(
        lowered(network(), "w4"), "stem", "kernel", values=np.full(KERNEL.shape, 8, np.int8)
    ),
}

GRIDS = {
    "only int8 graphs have a grid": lambda: changed(network(), "join", grid=ANOTHER),
    "only int8 graphs have a grid and the ops": lambda: Graph(
        (Node("image", "input", (), (3,)), Node("real", "dequantize", ("image",), (3,))), "fp32", ()
    ),
    "input and output of an int8 graph have a grid": lambda: changed(
        lowered(network(), "int8"), "image", grid=None
    ),
    "it reads codes, but 'point' holds the others": lambda: changed(
        with_float(lowered(network(), "int8"), network(), "point"), "join", inputs=("stem", "point")
    ),
    "it reads floats, but 'depth' holds the others": lambda: changed(
        with_float(lowered(network(), "int8"), network(), "point"), "point", inputs=("depth",)
    ),
    "that of dequantize has none": lambda: changed(
        with_float(lowered(network(), "int8"), network(), "point"), "point_depth", grid=ANOTHER
    ),
    "flatten keeps the grid of what it reads": lambda: changed(
        lowered(mobile(), "int8"), "last", grid=ANOTHER
    ),
    "concat keeps the grid of what it reads": lambda: changed(
        lowered(branches(), "int8"), "all", grid=ANOTHER
    ),
    "the grid of sigmoid is": lambda: changed(lowered(gated(), "int8"), "gate", grid=ANOTHER),
}


@pytest.mark.parametrize("rule", {**STRUCTURE, **WEIGHTS, **GRIDS})
def test_what_breaks_a_rule_is_refused_with_it(rule):
    graph = {**STRUCTURE, **WEIGHTS, **GRIDS}[rule]()
    with pytest.raises(GraphError, match=f"^here: .*{rule}"):
        check(graph, "here")


def test_a_graph_of_nothing_is_refused():
    with pytest.raises(GraphError, match="has nodes"):
        check(Graph((), "fp32", ()), "here")


def test_a_vector_may_be_expanded_and_a_map_may_not():
    vector = Node("image", "input", (), (3,))
    check(Graph((vector, Node("tall", "expand", ("image",), (1, 1, 3))), "fp32", ()), "here")
    picture = Node("image", "input", (), (1, 2, 3))
    with pytest.raises(GraphError, match="expand cannot read"):
        check(Graph((picture, Node("tall", "expand", ("image",), (1, 1, 3))), "fp32", ()), "here")
