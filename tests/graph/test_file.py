"""Graph files: what is written is read back, canonically, and damage is named."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from edgebuild.errors import GraphError
from edgebuild.graph import file
from edgebuild.graph.ir import PRECISIONS
from tests.networks import NETWORKS, lowered, network, with_float


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_survives_the_disk(tmp_path, name, precision):
    graph = replace(lowered(NETWORKS[name](), precision), pixel_scale=1 / 127.5)
    file.write(graph, tmp_path / "graph")
    assert_equal(graph, file.read(tmp_path / "graph"))


def test_a_mixed_graph_survives_the_disk(tmp_path):
    graph = with_float(lowered(network(), "int8"), network(), "join")
    file.write(graph, tmp_path / "graph")
    assert_equal(graph, file.read(tmp_path / "graph"))


def assert_equal(graph, back):
    bare = [
        replace(whole, nodes=tuple(replace(node, weights={}) for node in whole)) for whole in (graph, back)
    ]
    assert bare[0] == bare[1]
    for one, other in zip(graph, back, strict=True):
        assert one.weights.keys() == other.weights.keys()
        for key, weight in one.weights.items():
            read = other.weights[key]
            assert (weight.axis, weight.bits) == (read.axis, read.bits)
            np.testing.assert_array_equal(weight.values, read.values, strict=True)
            assert (weight.scale is None) == (read.scale is None)
            if weight.scale is not None:
                np.testing.assert_array_equal(weight.scale, read.scale, strict=True)


def test_two_processes_write_the_same_bytes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from edgebuild.graph import file;"
        "from tests.networks import lowered, network; file.write(lowered(network(), 'int8'), Path(sys.argv[1]))"
    )
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)],
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("damage", [b"", b"not a graph at all", None])
def test_damage_is_named(tmp_path, damage):
    path = tmp_path / "graph"
    file.write(network(), path)
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    with pytest.raises(GraphError, match="is not a graph file.*dvc repro"):
        file.read(path)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(GraphError, match="does not exist.*dvc repro"):
        file.read(tmp_path / "none")


def test_a_graph_of_another_schema_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "SCHEMA", 1)
    file.write(network(), tmp_path / "graph")
    monkeypatch.undo()
    with pytest.raises(GraphError, match="not a graph of schema 2; rebuild it with dvc repro"):
        file.read(tmp_path / "graph")


def test_a_file_that_holds_no_valid_graph_is_refused(tmp_path):
    graph = network()
    file.write(replace(graph, nodes=graph.nodes[:2] + graph.nodes[3:]), tmp_path / "graph")
    with pytest.raises(GraphError, match="graph: node 'point': reads depth, which no node before it makes"):
        file.read(tmp_path / "graph")
