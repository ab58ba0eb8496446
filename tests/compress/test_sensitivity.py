"""Which layers suffer from quantization, and what stays in float because of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgebuild.compress.bias import correct_bias
from edgebuild.compress.quantize import to_int8, to_w4, to_w8
from edgebuild.compress.ranges import observe
from edgebuild.compress.sensitivity import fall_back, sensitivities
from edgebuild.errors import Finding
from edgebuild.graph.codes import codes, real
from edgebuild.graph.ir import Graph, Grid
from edgebuild.graph.run import activations, run
from edgebuild.tasks.classification import Classification
from tests.networks import NETWORKS, images, network

TASK = Classification()


def observed(graph: Graph) -> dict[str, Grid]:
    return dict(observe(graph, images(graph), ranges="minmax", percentile=100))


def coarse(graph: Graph, name: str) -> dict[str, Grid]:
    """Grids of which that of ``name`` is far too wide."""
    grids = observed(graph)
    return {**grids, name: Grid(grids[name].scale * 60, 0)}


@pytest.mark.parametrize("lower", [to_w4, to_w8])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_layer_that_is_quantized_alone_gives_what_the_whole_graph_would(name, lower):
    graph = NETWORKS[name]()
    batch = images(graph)
    rows = {row.node: row for row in sensitivities(graph, lower(graph), batch, TASK)}
    truth = run(graph, batch).argmax(axis=1)
    assert rows.keys() == {node.name for node in graph if node.weights}
    for layer, row in rows.items():
        nodes = tuple(lower(graph)[node.name] if node.name == layer else node for node in graph)
        alone = run(replace(graph, nodes=nodes, precision="w8"), batch).argmax(axis=1)
        assert row.disagreement == pytest.approx((alone != truth).mean())


def test_the_grid_of_the_output_takes_part():
    graph = network()
    rows = sensitivities(graph, to_int8(graph, coarse(graph, "depth")), images(graph), TASK)
    assert rows[0].node == "depth"
    assert rows[0].divergence > 3 * rows[1].divergence


def test_rows_are_sorted_by_divergence():
    graph = NETWORKS["gated"]()
    rows = sensitivities(graph, to_w4(graph), images(graph), TASK)
    assert [row.divergence for row in rows] == sorted((row.divergence for row in rows), reverse=True)


def test_a_lossless_precision_is_insensitive():
    graph = network()
    assert {
        row.divergence for row in sensitivities(graph, replace(graph, precision="w8"), images(graph), TASK)
    } == {0.0}


def test_divergence_is_never_negative():
    graph = NETWORKS["mobile"]()
    assert all(row.divergence >= -1e-9 for row in sensitivities(graph, to_w4(graph), images(graph), TASK))


def lowering(graph: Graph, grids: dict[str, Grid]):
    return lambda names: to_int8(graph, grids, names)


def test_nothing_stays_in_float_when_the_budget_is_met():
    graph = network()
    integer, names = fall_back(graph, lowering(graph, observed(graph)), images(graph), 1.0, TASK)
    assert names == ()
    assert all(node.grid is not None for node in integer)


def test_layers_stay_in_float_from_the_most_sensitive_on():
    graph = NETWORKS["mobile"]()
    batch, grids = images(graph), observed(graph)
    order = [row.node for row in sensitivities(graph, to_int8(graph, grids), batch, TASK)]
    third = order[2]
    mixed, names = fall_back(
        graph,
        lowering(graph, grids),
        batch,
        0.0,
        TASK,
        lambda lowered: float(lowered[third].grid is not None),
    )
    assert names == tuple(order[:3])
    assert {node.name for node in mixed if node.weights and node.grid is None} == set(names)


def test_the_budget_is_kept_on_the_images_given():
    graph = NETWORKS["branches"]()
    batch = images(graph, 200)
    truth = run(graph, batch).argmax(axis=1)
    grids = {name: Grid(grid.scale * 3, grid.zero_point // 3) for name, grid in observed(graph).items()}
    lost = float((run(to_int8(graph, grids), batch).argmax(axis=1) != truth).mean())
    mixed, names = fall_back(graph, lowering(graph, grids), batch, lost * 0.9, TASK)
    assert names
    assert (run(mixed, batch).argmax(axis=1) != truth).mean() <= lost * 0.9


def test_a_budget_that_nothing_can_meet_is_a_finding():
    graph = network()
    with pytest.raises(Finding, match="loses 100.00% even with all 4 layers in float32"):
        fall_back(graph, lowering(graph, observed(graph)), images(graph), 0.5, TASK, lambda _: 1.0)


def test_biases_may_be_corrected_for_what_stays_in_float():
    graph = network()
    batch, grids = images(graph), coarse(graph, "depth")

    def lower(names):
        return to_int8(correct_bias(graph, to_int8(graph, grids, names), batch), grids, names)

    mixed, names = fall_back(
        graph, lower, batch, 0.0, TASK, lambda lowered: float(lowered["depth"].grid is not None)
    )
    assert "depth" in names
    np.testing.assert_allclose(
        mixed["stem"].weights["bias"].real(), graph["stem"].weights["bias"].values, atol=0.01
    )


def test_float_layers_compute_in_float():
    graph = network()
    batch, grids = images(graph), observed(graph)
    found = activations(to_int8(graph, grids, ["stem"]), batch)
    pixels = real(codes(batch, grids["image"]), grids["image"])
    np.testing.assert_array_equal(found["stem"], activations(graph, pixels)["stem"])
