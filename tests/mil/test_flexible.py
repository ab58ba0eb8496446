"""Programs that leave their batch open: read as such, and run on any number of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebuild import mil
from edgebuild.errors import GraphError
from edgebuild.formats import coreml
from edgebuild.mil.program import UNKNOWN
from tests.mil.test_evaluate import function, images, operation
from tests.networks import lowered, network


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8", "w4"])
@pytest.mark.parametrize("flat", [False, True])
def test_a_flexible_file_gives_the_answers_of_the_fixed_one(
    tmp_path: Path, precision: str, flat: bool
) -> None:
    graph = lowered(network(flat=flat), precision)
    x = np.random.default_rng(2).normal(size=(7, *graph.input.shape)).astype(np.float32)
    answers = []
    for name in ("fixed", "flexible"):
        path = tmp_path / f"{name}.mlpackage"
        coreml.write(graph, path, flexible=name == "flexible")
        main = mil.read(path).main
        assert main.inputs["image"].shape[0] == (UNKNOWN if name == "flexible" else 1)
        prepared = mil.plan(main)
        assert prepared.flexible is (name == "flexible")
        assert prepared.one_by_one is None
        answers.append(coreml.evaluate(path).predict(x))
    assert np.array_equal(*answers)


def open_batch() -> mil.Plan:
    """The size of the batch is asked for and used, as converters do."""
    return mil.plan(
        function(
            operation("shape", "s", (4,), "int32", x="%x"),
            operation("slice_by_index", "n", (1,), "int32", x="%s", begin=[0], end=[1]),
            operation("concat", "to", (2,), "int32", values=("%n", np.array([32], np.int32)), axis=0),
            operation("reshape", "y", (UNKNOWN, 32), x="%x", shape="%to"),
            shape=(UNKNOWN, 2, 4, 4),
        )
    )


def test_a_program_may_compute_with_the_size_of_its_batch() -> None:
    x = images(5)
    assert np.array_equal(mil.run(open_batch(), {"x": x})["y"], x.reshape(5, 32))


def test_what_is_not_open_is_held_to_the_declaration() -> None:
    with pytest.raises(
        GraphError, match=r"input x must be float32\[\?, 2, 4, 4\].*found float32\[5, 2, 4, 3\]"
    ):
        mil.run(open_batch(), {"x": images(5)[..., :3]})
    wrong = function(operation("relu", "y", (UNKNOWN, 2, 4, 5), x="%x"), shape=(UNKNOWN, 2, 4, 4))
    with pytest.raises(
        GraphError, match=r"declares y as float32\[\?, 2, 4, 5\], and computes float32\[3, 2, 4, 4\]"
    ):
        mil.run(mil.plan(wrong), {"x": images(3)})
