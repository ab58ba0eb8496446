"""How kernels are stored, and that a shortened specification is the same program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from edgebuild import mil
from edgebuild.compress.quantize import to_w4
from edgebuild.formats import coreml, coreml_session
from edgebuild.graph.ir import Graph, Node
from edgebuild.graph.run import run
from edgebuild.mil import compact, package, storage
from edgebuild.mil.stored import Stored, read_back
from tests.networks import NETWORKS, Maker, images, lowered

PRECISIONS = ("fp32", "fp16", "w8", "w4", "int8")


def wide(sparsity: float, seed: int = 0) -> Graph:
    """fp32: large, small and depthwise kernels whose smallest magnitudes are zero."""
    make, shape = Maker(seed, (7, 7, 3)), (7, 7, 40)
    make.weighted("stem", "conv2d", "image", shape, 3, padding="same", activation="relu")
    make.weighted("depth", "depthwise_conv2d", "stem", shape, 3, padding="same")
    make.weighted("body", "conv2d", "depth", shape, 3, padding="same", activation="relu")
    make.add("pool", "global_average_pool", "body", (40,))
    make.weighted("last", "dense", "pool", (4,))
    graph = make.graph()
    return replace(graph, nodes=tuple(pruned(node, sparsity) for node in graph))


def pruned(node: Node, sparsity: float) -> Node:
    if not node.weights:
        return node
    kernel = node.weights["kernel"]
    size = np.abs(kernel.values)
    values = np.where(size < np.quantile(size, sparsity), np.float32(0), kernel.values)
    return replace(node, weights={**node.weights, "kernel": replace(kernel, values=values)})


def made(graph: Graph, precision: str) -> Graph:
    return to_w4(graph) if precision == "w4" else lowered(graph, precision)


def written(graph: Graph, path: Path, **options: bool) -> Stored:
    coreml.write(graph, path, **options)
    return read_back(mil.read(path).main)


def size(path: Path) -> int:
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())


def assert_same_numbers(saved: Stored, graph: Graph) -> None:
    weighted = [node.weights for node in graph if node.weights]
    for kernel, bias, weights in zip(saved.kernels, saved.biases, weighted, strict=True):
        assert np.array_equal(kernel.values, weights["kernel"].values)
        assert np.array_equal(bias, weights["bias"].real().astype(bias.dtype))
        if weights["kernel"].scale is not None:
            assert kernel.scale is not None
            assert np.array_equal(kernel.scale, weights["kernel"].scale)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_package_holds_the_numbers_of_its_graph(tmp_path: Path, name: str, precision: str) -> None:
    graph = made(NETWORKS[name](), precision)
    saved = written(graph, tmp_path / "model.mlpackage")
    assert_same_numbers(saved, graph)
    assert saved.grids == tuple(node.grid for node in graph if node.grid is not None)


def read_by_coremltools(path: Path) -> Any:
    """The function that Apple's own reader of saved programs makes of the package."""
    with coreml_session.quietly():
        ct = coreml_session.open_coremltools()
        from coremltools.converters.mil.frontend.milproto.load import load

        model = ct.models.MLModel(str(path), skip_model_load=True)
        specification = model.get_spec()
        program = load(specification, specification.specificationVersion, model.weights_dir)
    return program.functions["main"]


@pytest.mark.parametrize("options", [{}, {"newest": True}, {"flexible": True}], ids=str)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_apples_own_reader_expands_every_kernel_to_the_graphs_numbers(
    tmp_path: Path, precision: str, options: dict[str, bool]
) -> None:
    for graph in (made(wide(0.8), precision), made(NETWORKS["branches"](), precision)):
        coreml.write(graph, tmp_path / "model.mlpackage", **options)
        function = read_by_coremltools(tmp_path / "model.mlpackage")
        readers = [operation for operation in function.operations if operation.op_type in ("conv", "linear")]
        weighted = [node for node in graph if node.weights]
        for operation, node in zip(readers, weighted, strict=True):
            kernel, maker = operation.weight, operation.weight.op
            found = kernel.val if maker.op_type == "const" else maker.materialized_val_inference()
            expected = node.weights["kernel"].real().transpose(storage.KERNEL_ORDER[node.op])
            assert np.array_equal(found, expected.astype(found.dtype))
            assert np.array_equal(operation.bias.val, node.weights["bias"].real().astype(found.dtype))


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(seed=st.integers(0, 1000), sparsity=st.floats(0, 1), precision=st.sampled_from(PRECISIONS))
def test_numbers_survive_whatever_the_sparsity(
    tmp_path_factory: pytest.TempPathFactory, seed: int, sparsity: float, precision: str
) -> None:
    graph = made(wide(sparsity, seed), precision)
    path = tmp_path_factory.mktemp("sparse") / "model.mlpackage"
    assert_same_numbers(written(graph, path, newest=precision != "fp32"), graph)


@pytest.mark.parametrize(
    ("precision", "newest", "forms"),
    [
        ("fp32", False, ["constexpr_sparse_to_dense"] * 4),
        ("fp16", False, ["constexpr_sparse_to_dense"] * 4),
        ("w8", False, ["constexpr_affine_dequantize"] * 4),
        ("int8", False, ["constexpr_affine_dequantize"] * 4),
        ("w8", True, ["constexpr_sparse_blockwise_shift_scale", "constexpr_blockwise_shift_scale",
                      "constexpr_sparse_blockwise_shift_scale", "constexpr_blockwise_shift_scale"]),
        ("w4", False, ["constexpr_blockwise_shift_scale", "constexpr_blockwise_shift_scale",
                       "constexpr_sparse_blockwise_shift_scale", "constexpr_blockwise_shift_scale"]),
    ],
)  # fmt: skip
def test_each_kernel_takes_the_form_that_the_target_reads_and_that_is_smaller(
    tmp_path: Path, precision: str, newest: bool, forms: list[str]
) -> None:
    saved = written(made(wide(0.8), precision), tmp_path / "model.mlpackage", newest=newest)
    assert list(saved.forms) == forms


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w4"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.8, 0.99])
def test_a_choice_never_costs_more_than_a_few_bytes_over_dense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sparsity: float, precision: str
) -> None:
    graph, path = made(wide(sparsity), precision), tmp_path / "model.mlpackage"
    coreml.write(graph, path)
    chosen = size(path)
    monkeypatch.setattr(storage, "_sparse_bytes", lambda values, bits: float("inf"))
    coreml.write(graph, path)
    dense = size(path)
    assert chosen <= dense + 16
    if sparsity >= 0.8:
        assert chosen < 0.75 * dense


@pytest.mark.parametrize("precision", ["fp32", "w4", "int8"])
def test_a_sparse_package_computes_its_graph(tmp_path: Path, precision: str) -> None:
    graph = made(wide(0.8), precision)
    coreml.write(graph, tmp_path / "model.mlpackage", newest=True)
    x = images(graph, 64, seed=3)
    found, expected = coreml.evaluate(tmp_path / "model.mlpackage").predict(x), run(graph, x)
    limit = 1e-5 * np.abs(expected).max() if graph.output.grid is None else 1.01 * graph.output.grid.scale
    assert np.abs(found - expected).max() <= limit


def test_a_kernel_of_zeros_is_stored_dense(tmp_path: Path) -> None:
    graph = wide(0.5)
    nodes = []
    for node in graph:
        kernel = node.weights.get("kernel")
        zero = {} if kernel is None else {"kernel": replace(kernel, values=np.zeros_like(kernel.values))}
        nodes.append(replace(node, weights={**node.weights, **zero}))
    saved = written(replace(graph, nodes=tuple(nodes)), tmp_path / "model.mlpackage")
    assert set(saved.forms) == {"const"}


def saved_by_coremltools(
    graph: Graph, path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Mapping[str, int], npt.NDArray[np.float32], int]:
    """Operations, predictions and size of the package as coremltools writes it."""
    with monkeypatch.context() as patch:
        patch.setattr(coreml, "compact", lambda program, weights: weights)
        coreml.write(graph, path)
    return mil.read(path).main.inventory(), coreml.evaluate(path).predict(images(graph, 8)), size(path)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["network", "gated"])
def test_the_shortened_program_is_the_same_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, precision: str
) -> None:
    graph, path = made(NETWORKS[name](), precision), tmp_path / "model.mlpackage"
    inventory, expected, full = saved_by_coremltools(graph, path, monkeypatch)
    coreml.write(graph, path)
    assert mil.read(path).main.inventory() == inventory
    assert np.array_equal(coreml.evaluate(path).predict(images(graph, 8)), expected)
    assert size(path) < 0.8 * full


def test_no_constant_is_stored_twice(tmp_path: Path) -> None:
    graph = made(wide(0.0), "int8")
    twin = replace(graph["body"], name="twin")
    nodes = [node for node in graph for node in ((node, twin) if node.name == "body" else (node,))]
    nodes = [replace(node, inputs=("twin",)) if node.name == "pool" else node for node in nodes]
    twice = replace(graph, nodes=tuple(nodes))
    coreml.write(graph, tmp_path / "once.mlpackage")
    coreml.write(twice, tmp_path / "twice.mlpackage")
    once, both = (package.read(tmp_path / f"{name}.mlpackage")[1] for name in ("once", "twice"))
    assert both == once
    constants = [
        item for item in mil.read(tmp_path / "twice.mlpackage").main.operations if item.type == "const"
    ]
    values = [(np.asarray(item.inputs["val"][0]).tobytes(), item.outputs[0][1]) for item in constants]
    assert len(values) == len(set(values))


def test_names_of_tensors_are_never_taken_by_constants(tmp_path: Path) -> None:
    graph = NETWORKS["network"]()
    names = {node.name: f"c{index}" for index, node in enumerate(graph)}
    nodes = tuple(
        replace(node, name=names[node.name], inputs=tuple(names[name] for name in node.inputs))
        for node in graph
    )
    coreml.write(replace(graph, nodes=nodes), tmp_path / "model.mlpackage")
    x = images(graph, 4)
    found = coreml.evaluate(tmp_path / "model.mlpackage").predict(x)
    np.testing.assert_allclose(found, run(graph, x), rtol=1e-5, atol=1e-5)


def test_only_small_vectors_move_into_the_specification(tmp_path: Path) -> None:
    graph = wide(0.0)
    coreml.write(graph, tmp_path / "model.mlpackage")
    weights = package.read(tmp_path / "model.mlpackage")[1]
    starts = [i for i in range(64, len(weights), 64) if weights[i : i + 4] == b"\xef\xbe\xad\xde"]
    sizes = [int.from_bytes(weights[i + 8 : i + 16], "little") for i in starts]
    kernels = [node.weights["kernel"].values.nbytes for node in graph if node.weights]
    assert sizes == kernels
    assert max(node.weights["bias"].values.nbytes for node in graph if node.weights) <= compact.INLINE
