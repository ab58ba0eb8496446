"""Graph files: what is written is read back, canonically, and damage is named."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgebuild.errors import GraphError
from edgebuild.graph import file
from tests.networks import lowered, network


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
def test_a_graph_survives_the_disk(tmp_path, precision):
    graph = lowered(network(), precision)
    file.write(graph, tmp_path / "graph")
    back = file.read(tmp_path / "graph")
    assert (back.precision, back.labels) == (graph.precision, graph.labels)
    for one, other in zip(graph, back, strict=True):
        assert (one.name, one.op, one.inputs, one.shape, one.grid) == (
            other.name, other.op, other.inputs, other.shape, other.grid,
        )  # fmt: skip
        for key, weight in one.weights.items():
            np.testing.assert_array_equal(weight.values, other.weights[key].values, strict=True)
            assert weight.axis == other.weights[key].axis
            assert (weight.scale is None) == (other.weights[key].scale is None)


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


def test_an_integer_graph_without_a_grid_is_refused():
    from dataclasses import replace

    with pytest.raises(GraphError, match="'image'.*grid"):
        file.check(replace(network(), precision="int8"), "here")
