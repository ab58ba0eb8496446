"""Every op in every precision: the saved package, evaluated, against the numpy reference of the graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgebuild import mil
from edgebuild.compress.quantize import to_w4
from edgebuild.errors import GraphError
from edgebuild.formats import coreml
from edgebuild.graph.ir import Graph, Grid
from edgebuild.graph.run import run
from tests.networks import NETWORKS, Maker, images, lowered, with_float

Floats = npt.NDArray[np.float32]


def made(name: str, precision: str) -> Graph:
    graph = NETWORKS[name]()
    return to_w4(graph) if precision == "w4" else lowered(graph, precision)


def predicted(graph: Graph, path: Path, x: Floats, **options: bool) -> Floats:
    coreml.write(graph, path, **options)
    return coreml.evaluate(path).predict(x)


def relative(found: Floats, expected: Floats) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def steps(graph: Graph, found: Floats, expected: Floats) -> Floats:
    assert graph.output.grid is not None
    apart: Floats = np.rint(np.abs(found - expected) / np.float32(graph.output.grid.scale))
    return apart


@pytest.mark.parametrize("precision", ["fp32", "w8", "w4"])
@pytest.mark.parametrize("name", NETWORKS)
def test_float32_arithmetic_is_the_references(tmp_path: Path, name: str, precision: str) -> None:
    graph = made(name, precision)
    x = images(graph, 32) * 3 - 1
    found = predicted(graph, tmp_path / "model.mlpackage", x)
    assert relative(found, run(graph, x)) <= 1e-5


@pytest.mark.parametrize("precision", ["fp16", "w8", "w4"])
@pytest.mark.parametrize("name", NETWORKS)
def test_float16_arithmetic_is_near_the_reference(tmp_path: Path, name: str, precision: str) -> None:
    graph = made(name, precision)
    x = images(graph, 32)
    found = predicted(graph, tmp_path / "model.mlpackage", x, half=True)
    error = relative(found, run(graph, x))
    assert 1e-6 < error <= 0.05


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_is_the_integer_reference(tmp_path: Path, name: str) -> None:
    graph = made(name, "int8")
    x = images(graph, 256, seed=5)
    expected = run(graph, x)
    difference = steps(graph, predicted(graph, tmp_path / "model.mlpackage", x), expected)
    assert len(np.unique(expected)) > 20
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.99


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_in_float16_is_near_the_integer_reference(tmp_path: Path, name: str) -> None:
    graph = made(name, "int8")
    x = images(graph, 256, seed=5)
    expected = run(graph, x)
    difference = steps(graph, predicted(graph, tmp_path / "model.mlpackage", x, half=True), expected)
    assert difference.max() <= 3
    found = coreml.evaluate(tmp_path / "model.mlpackage").predict(x)
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    assert same.mean() >= 0.98  # four random logits are often a step apart; trained networks keep all labels


@pytest.mark.parametrize("name", NETWORKS)
def test_a_float32_node_among_int8_ones_is_computed_in_float32(tmp_path: Path, name: str) -> None:
    plain = NETWORKS[name]()
    node = next(node for node in plain.nodes[2:-1] if node.weights)
    graph = with_float(made(name, "int8"), plain, node.name)
    x = images(graph, 128, seed=5)
    difference = steps(graph, predicted(graph, tmp_path / "model.mlpackage", x), run(graph, x))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.99
    inventory = mil.read(tmp_path / "model.mlpackage").main.inventory()
    assert inventory["quantize"] == sum(node.grid is not None for node in graph)


def test_means_that_lie_between_two_codes_go_to_the_even_one(tmp_path: Path) -> None:
    make = Maker(0, (6, 6, 3))
    make.add("means", "average_pool", "image", (6, 6, 3), window=(1, 2), padding="same")
    make.add("last", "flatten", "means", (108,))
    graph = lowered(make.graph(), "int8")
    x = images(graph, 64)
    assert np.array_equal(predicted(graph, tmp_path / "model.mlpackage", x), run(graph, x))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_free_batch_computes_what_the_fixed_one_does(tmp_path: Path, name: str, precision: str) -> None:
    graph = made(name, precision)
    x = images(graph, 5)
    fixed = predicted(graph, tmp_path / "fixed.mlpackage", x)
    free = predicted(graph, tmp_path / "free.mlpackage", x, flexible=True)
    assert np.array_equal(fixed, free)


def test_a_float32_node_that_reads_the_grid_unmarked_is_refused(tmp_path: Path) -> None:
    graph = made("network", "int8")
    nodes = [replace(node, grid=None) if node.name == "point" else node for node in graph]
    with pytest.raises(
        GraphError, match="point: an int8 graph needs a grid on it and on depth, or on neither"
    ):
        coreml.write(replace(graph, nodes=tuple(nodes)), tmp_path / "model.mlpackage")


def test_a_grid_too_fine_for_float16_is_refused(tmp_path: Path) -> None:
    graph = made("network", "int8")
    nodes = [replace(node, grid=Grid(1e-9, 0)) if node.name == "join" else node for node in graph]
    with pytest.raises(GraphError, match="float16 has no grid of scale 1e-09; compute in float32"):
        coreml.write(replace(graph, nodes=tuple(nodes)), tmp_path / "model.mlpackage", half=True)


def test_an_fp32_graph_is_not_computed_in_float16(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="use precision fp16"):
        coreml.write(made("network", "fp32"), tmp_path / "model.mlpackage", half=True)
