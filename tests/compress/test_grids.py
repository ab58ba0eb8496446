"""Which tensors share a grid, and where float nodes meet the grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.compress.grids import COPIES, FIXED_GRID, SAME_GRID, grid_of, on_grid
from edgebuild.compress.quantize import to_int8
from edgebuild.compress.ranges import observe
from edgebuild.errors import GraphError
from edgebuild.graph.ir import Graph, Grid, Node
from edgebuild.graph.run import activations, run
from tests.networks import NETWORKS, Maker, branches, images, network

floats = st.floats(-1e4, 1e4, width=32)
EVERY = pytest.mark.parametrize("name", sorted(NETWORKS))


def observed(graph: Graph) -> dict[str, Grid]:
    return dict(observe(graph, images(graph), ranges="minmax", percentile=100))


@given(floats, floats)
def test_a_grid_represents_zero_exactly_and_spans_the_range(low, high):
    low, high = min(low, high), max(low, high)
    grid = grid_of(low, high)
    assert -128 <= grid.zero_point <= 127
    bottom, top = ((code - grid.zero_point) * grid.scale for code in (-128, 127))
    tolerance = grid.scale * 0.51
    assert bottom - tolerance <= min(low, 0)
    assert max(high, 0) <= top + tolerance


@EVERY
def test_ops_that_move_codes_keep_the_grid_of_their_input(name):
    graph = NETWORKS[name]()
    placed = on_grid(graph, observed(graph))
    for node in placed:
        if node.op in COPIES:
            assert {placed[source].grid for source in node.inputs} == {node.grid}


@EVERY
def test_sigmoid_softmax_and_tanh_have_the_grid_of_their_range(name):
    graph = NETWORKS[name]()
    for node in on_grid(graph, observed(graph)):
        if node.activation in FIXED_GRID:
            assert node.grid == FIXED_GRID[node.activation]


@EVERY
def test_int8_stays_near_float32(name):
    graph, batch = NETWORKS[name](), images(NETWORKS[name]())
    truth = run(graph, batch)
    error = np.abs(run(to_int8(graph, observed(graph)), batch) - truth)
    assert error.max() < 0.08 * np.ptp(truth)


def test_a_concat_spans_all_of_its_inputs_however_many_steps_before():
    graph = branches()
    grids = observed(graph)
    placed = on_grid(graph, grids)
    top = placed["point"].grid.scale * (127 - placed["point"].grid.zero_point)
    for member in ("stem", "tops", "means", "cut", "point", "all"):
        assert placed[member].grid == placed["all"].grid
        assert grids[member].scale * (127 - grids[member].zero_point) <= top * 1.01


def gates(*sources: str) -> Graph:
    make = Maker(0, (4, 4, 2))
    make.weighted("wide", "conv2d", "image", (4, 4, 2))
    make.add("gate", "activation", "wide", (4, 4, 2), activation="sigmoid")
    make.add("peaks", "max_pool", "gate", (4, 4, 2), window=(2, 2), padding="same")
    make.add("bend", "activation", "wide", (4, 4, 2), activation="tanh")
    make.add("all", "concat", " ".join(sources), (4, 4, 2 * len(sources)))
    make.add("flat", "flatten", "all", (32 * len(sources),))
    make.weighted("last", "dense", "flat", (4,))
    return make.graph()


def test_a_fixed_grid_is_left_through_a_pair_of_nodes_where_a_concat_needs_another():
    graph = gates("peaks", "wide")
    placed = on_grid(graph, observed(graph))
    assert placed["peaks"].grid == FIXED_GRID["sigmoid"]
    assert placed["all"].inputs == ("peaks_real_for_all", "wide")
    assert [placed["peaks_real"].op, placed["peaks_real_for_all"].op] == ["dequantize", "quantize"]
    assert placed["peaks_real_for_all"].grid == placed["wide"].grid == placed["all"].grid
    assert placed["peaks_real"].grid is None


def test_a_concat_of_one_fixed_grid_has_that_grid():
    graph = gates("peaks", "gate")
    placed = on_grid(graph, observed(graph))
    assert len(placed.nodes) == len(graph.nodes)
    assert placed["flat"].grid == FIXED_GRID["sigmoid"]


def test_a_concat_of_two_fixed_grids_leaves_both():
    graph = gates("gate", "bend")
    placed = on_grid(graph, observed(graph))
    low = placed["all"].grid.scale * (-128 - placed["all"].grid.zero_point)
    assert low == pytest.approx(-1, abs=0.02)
    assert [placed[source].op for source in placed["all"].inputs] == ["quantize", "quantize"]


@EVERY
def test_the_most_mixed_graph_is_nearly_the_float_one(name):
    graph = NETWORKS[name]()
    keep = [node.name for node in graph.nodes[1:]]
    batch = images(graph)
    mixed = to_int8(graph, observed(graph), keep)
    assert mixed.output.grid is not None
    assert mixed.input.grid is not None
    assert not any(node.weights and node.grid for node in mixed)
    rounded = activations(to_int8(graph, observed(graph)), batch)[graph.input.name]
    assert np.abs(run(mixed, batch) - run(graph, rounded)).max() <= mixed.output.grid.scale


def test_a_float_tensor_is_quantized_once_for_all_its_readers():
    graph = network()
    mixed = to_int8(graph, observed(graph), ["stem"])
    assert [node.name for node in mixed if node.op in ("dequantize", "quantize")] == [
        "image_real",
        "stem_codes",
    ]
    assert mixed["depth"].inputs == ("stem_codes",)
    assert mixed["join"].inputs == ("stem_codes", "point")
    assert mixed["stem"].weights is graph["stem"].weights


def test_new_names_avoid_those_of_the_network():
    graph = network()
    renamed = {"depth": "stem_codes"}
    nodes = tuple(
        replace(node, name=renamed.get(node.name, node.name),
                inputs=tuple(renamed.get(name, name) for name in node.inputs))
        for node in graph
    )  # fmt: skip
    graph = replace(graph, nodes=nodes)
    mixed = to_int8(graph, observed(graph), ["stem"])
    assert len({node.name for node in mixed}) == len(mixed.nodes)
    assert np.isfinite(run(mixed, images(graph))).all()


def test_a_float_output_is_quantized_at_the_end():
    graph = network()
    mixed = to_int8(graph, observed(graph), ["last"])
    assert (mixed.output.op, mixed.output.inputs) == ("quantize", ("last",))


def test_what_has_no_weights_and_reads_only_float_stays_in_float_too():
    graph = network()
    mixed = to_int8(graph, observed(graph), ["stem", "point"])
    assert [node.name for node in mixed if node.grid is None and node.op != "dequantize"] == [
        "stem",
        "point",
        "join",
        "pool",
    ]
    assert mixed["last"].inputs == ("pool_codes",)


@EVERY
def test_with_all_layers_in_float_only_input_and_output_are_rounded(name):
    graph = NETWORKS[name]()
    mixed = to_int8(graph, observed(graph), [node.name for node in graph if node.weights])
    first_layers = {node.name for node in mixed if node.grid is not None}
    assert first_layers == {mixed.input.name, mixed.output.name}


def test_an_unknown_name_is_refused():
    graph = network()
    with pytest.raises(GraphError, match=r"\['nobody'\] are no nodes of the graph"):
        on_grid(graph, observed(graph), ["nobody"])


def test_the_input_cannot_stay_in_float():
    graph = network()
    with pytest.raises(GraphError, match="image is the input and has to be on the grid"):
        on_grid(graph, observed(graph), ["image"])


def test_copies_need_no_grid_of_their_own():
    graph = network(flat=True)
    grids = observed(graph)
    del grids["pool"]
    assert on_grid(graph, grids)["pool"].grid == grids["join"]


def test_every_other_tensor_needs_a_grid():
    with pytest.raises(KeyError):
        on_grid(network(), {})


def test_the_ops_that_keep_grids_are_those_that_do_no_arithmetic_but_the_mean():
    assert {"flatten", "expand", "pad", "crop", "max_pool", "average_pool"} == SAME_GRID


def test_the_input_of_a_concat_may_be_the_image():
    image = Node("image", "input", (), (2, 2, 1))
    both = Node("both", "concat", ("image", "image"), (2, 2, 2))
    graph = Graph((image, both), "fp32", ("a",))
    placed = on_grid(graph, {"image": Grid(0.1, 3)})
    assert placed["both"].grid == Grid(0.1, 3)
