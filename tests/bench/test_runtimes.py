from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench.runtimes import SCRIPT, find

from edgebuild.errors import GraphError, UsageError
from edgebuild.formats.registry import open_writer
from edgebuild.graph.run import run
from edgebuild.measure import isolated
from tests.networks import images, network


def test_an_onnx_file_is_fed_in_the_layout_that_it_declares(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    given = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    for shape, turned in (((2, 3, 2), given), ((2, 2, 3), given.transpose(0, 3, 1, 2))):
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name in ("x", "y")]
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "file.onnx")
        np.testing.assert_array_equal(
            find("onnx").load(tmp_path / "file.onnx", 1).predict(given[[0, 0]]), np.concatenate([turned] * 2)
        )


@pytest.mark.parametrize("name", ["litert", "onnx", "coreml"])
def test_our_files_give_what_their_graph_gives(name: str, tmp_path: Path) -> None:
    graph = network()
    given = images(graph, 5)
    open_writer(name).write(graph, tmp_path / "file")
    found = find(name).load(tmp_path / "file", 1).predict(given)
    np.testing.assert_allclose(found, run(graph, given), rtol=1e-4, atol=1e-5)


def test_images_that_do_not_fit_are_refused_with_both_shapes(tmp_path: Path) -> None:
    graph = network(size=9, channels=2)
    open_writer("onnx").write(graph, tmp_path / "file")
    with pytest.raises(GraphError, match=r"images of \(9, 9, 3\) do not fit an input of \(2, 9, 9\)"):
        find("onnx").load(tmp_path / "file", 1).predict(np.zeros((1, 9, 9, 3), np.float32))


def test_a_file_is_timed_in_a_process_of_its_own(tmp_path: Path) -> None:
    open_writer("onnx").write(network(), tmp_path / "file")
    measured = isolated.run("onnx", tmp_path / "file", (9, 9, 2), threads=1, warmup=1, runs=3, command=SCRIPT)
    assert measured.latency is not None
    assert measured.latency.runs == 3


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'keras' is not one of litert, onnx, coreml"):
        find("keras")
