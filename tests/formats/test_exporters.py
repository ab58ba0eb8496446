"""Every written file, run by its own runtime, against the numpy reference; and read back against the graph."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import pytest

from edgebuild.errors import DataError
from edgebuild.formats import litert
from edgebuild.formats import onnx as onnx_format
from edgebuild.graph.run import run
from tests.networks import images, lowered, network

FORMATS = {"litert": litert, "onnx": onnx_format}


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("relu", ["relu", "relu6", "none"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8"])
@pytest.mark.parametrize("name", FORMATS)
def test_float_files_compute_their_graph(tmp_path, name, precision, relu, flat):
    graph = lowered(network(flat=flat, relu=relu), precision)
    FORMATS[name].write(graph, tmp_path / "model")
    batch = images(graph) * 8
    np.testing.assert_allclose(
        FORMATS[name].load(tmp_path / "model", 1).predict(batch), run(graph, batch), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("relu", ["relu", "relu6", "none"])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", FORMATS)
def test_integer_files_are_at_most_one_step_from_the_reference(tmp_path, name, seed, relu, flat):
    graph = lowered(network(seed=seed, flat=flat, relu=relu), "int8")
    FORMATS[name].write(graph, tmp_path / "model")
    batch = images(graph, 500, seed=5)
    steps = (
        FORMATS[name].load(tmp_path / "model", 1).predict(batch) - run(graph, batch)
    ) / graph.output.grid.scale
    assert np.abs(steps).max() < 1.01
    assert (np.abs(steps) < 0.5).mean() >= 0.99


def test_onnx_runtime_executes_an_integer_file_without_any_float_operator(tmp_path):
    onnx_format.write(lowered(network(), "int8"), tmp_path / "model")
    onnx_format.ONNXSession(tmp_path / "model", 1, optimized=tmp_path / "optimized")
    ops = Counter(node.op_type for node in onnx.load(tmp_path / "optimized").graph.node)
    assert {
        "QLinearConv": 3,
        "QLinearAdd": 1,
        "QLinearGlobalAveragePool": 1,
        "QGemm": 1,
    }.items() <= ops.items()
    assert not {"Conv", "FusedConv", "Gemm", "MatMul", "Add", "Relu", "Clip"} & ops.keys()
    assert ops["QuantizeLinear"] == ops["DequantizeLinear"] == 1


def test_saturated_products_are_summed_exactly(tmp_path):
    """Codes at both ends of their range: where x86 kernels for uint8 × int8 without VNNI overflow 16 bits."""
    graph = network(channels=8)
    stem = graph["stem"].weights["kernel"].values
    stem[:] = np.where(np.arange(stem.size).reshape(stem.shape) % 3, 1, -1)
    quantized = lowered(graph, "int8")
    batch = np.where(images(graph, 200, seed=3) < 0.2, 0, 1).astype(np.float32)
    for name, module in FORMATS.items():
        module.write(quantized, tmp_path / name)
        steps = (
            module.load(tmp_path / name, 1).predict(batch) - run(quantized, batch)
        ) / quantized.output.grid.scale
        assert np.abs(steps).max() < 1.01, name


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
@pytest.mark.parametrize("name", FORMATS)
def test_two_processes_write_the_same_bytes(tmp_path, name, precision):
    code = (
        "import sys; from pathlib import Path; from edgebuild.formats.registry import open_writer;"
        "from tests.networks import lowered, network;"
        "open_writer(sys.argv[1]).write(lowered(network(), sys.argv[2]), Path(sys.argv[3]))"
    )
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, name, precision, str(tmp_path / seed)],
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_the_runtime_refuses_is_named(tmp_path, name):
    (tmp_path / "model").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="refuses .*model"):
        FORMATS[name].load(tmp_path / "model", 1)
    with pytest.raises(DataError, match="does not exist"):
        FORMATS[name].load(tmp_path / "none", 1)


def test_labels_and_names_lie_in_the_onnx_file(tmp_path):
    onnx_format.write(network(), tmp_path / "model")
    model = onnx.load(tmp_path / "model")
    onnx.checker.check_model(model, full_check=True)
    properties = {item.key: item.value for item in model.metadata_props}
    assert properties["edgebuild.labels"] == '["zero", "one", "two", "three"]'
    assert [item.name for item in (*model.graph.input, *model.graph.output)] == ["image", "logits"]
