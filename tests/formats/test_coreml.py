"""Core ML packages: what is written, whether it computes the graph, whether damage is noticed.

The judge is independent of the code under test: onnxruntime executes a small
ONNX model made here from the same graph; the int8 grid is judged by an integer
reference (int32 sums, one float32 multiplier, halves to even).
"""

from __future__ import annotations

import dataclasses
import filecmp
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgebuild import mil
from edgebuild.errors import DataError, EdgebuildError, GraphError
from edgebuild.formats import coreml
from edgebuild.graph.ir import CHANNEL_AXIS, PRECISIONS, Graph, Grid, Node, Weight, same_padding
from edgebuild.mil import package, proto
from edgebuild.mil.stored import read_back

LABELS = ("shirt", "träger", "bag")


def small_graph(precision: str, *, seed: int = 0, size: int = 11) -> Graph:
    """Every op of the IR on a few channels; odd sizes make "same" padding uneven.

    Scales are no round multiples of one another: those put sums exactly between
    two codes, where float and integer arithmetic may go different ways.
    """
    rng = np.random.default_rng(seed)
    half, integer = precision == "fp16", precision == "int8"
    nodes: dict[str, Node] = {}

    def grid(scale: float, zero_point: int) -> Grid | None:
        return Grid(float(np.float32(scale)), zero_point) if integer else None

    def kernel(op: str, shape: tuple[int, ...]) -> Weight:
        axis = CHANNEL_AXIS[op]
        fan_in = np.prod(shape) / shape[axis]
        values = rng.normal(0, 1.4 / np.sqrt(fan_in), shape).astype(np.float32)
        if precision not in ("w8", "w4", "int8"):
            return Weight(values.astype(np.float16) if half else values)
        bits = 4 if precision == "w4" and op != "depthwise_conv2d" else 8
        others = tuple(i for i in range(values.ndim) if i != axis)
        scale = (np.abs(values).max(axis=others) / (2 ** (bits - 1) - 1)).astype(np.float32)
        codes = np.rint(values / np.expand_dims(scale, others)).astype(np.int8)
        return Weight(codes, scale, axis, bits)

    def bias(count: int, source: Node, weight: Weight) -> Weight:
        values = rng.normal(0, 0.2, count).astype(np.float32)
        if integer and weight.scale is not None and source.grid is not None:
            scale = np.float32(source.grid.scale) * weight.scale
            return Weight(np.rint(values / scale).astype(np.int32), scale, 0)
        return Weight(values.astype(np.float16) if half else values)

    def add(name: str, op: str, inputs: tuple[str, ...], shape: tuple[int, ...], **more: Any) -> None:
        weights = {}
        kernel_shape = more.pop("kernel", None)
        if kernel_shape is not None:
            weight = kernel(op, kernel_shape)
            weights = {"kernel": weight, "bias": bias(shape[-1], nodes[inputs[0]], weight)}
        nodes[name] = Node(name, op, inputs, shape, weights=weights, **more)

    small = -(-(size - 1) // 2)
    add("input", "input", (), (size, size - 1, 2), grid=grid(1 / 255, -128))
    add("stem/conv", "conv2d", ("input",), (-(-size // 2), small, 12), kernel=(3, 3, 2, 12), strides=(2, 2),
        padding="same", activation="relu", grid=grid(0.01213, -128))  # fmt: skip
    shape = nodes["stem/conv"].shape
    add("depth", "depthwise_conv2d", ("stem/conv",), shape, kernel=(3, 3, 12, 1), padding="same",
        activation="relu6", grid=grid(0.01397, -128))  # fmt: skip
    add("point", "conv2d", ("depth",), shape, kernel=(1, 1, 12, 12), padding="valid", grid=grid(0.02517, 5))
    add("residual", "add", ("stem/conv", "point"), shape, activation="relu", grid=grid(0.02039, -128))
    valid = ((shape[0] - 3) // 2 + 1, (shape[1] - 3) // 2 + 1, 16)
    add(
        "1valid",
        "conv2d",
        ("residual",),
        valid,
        kernel=(3, 3, 12, 16),
        strides=(2, 2),
        grid=grid(0.03011, -7),
    )
    add("pool", "global_average_pool", ("1valid",), (16,), grid=grid(0.01483, 3))
    add("flat", "flatten", ("1valid",), (valid[0] * valid[1] * 16,), grid=grid(0.03011, -7))
    add("wide", "dense", ("flat",), (16,), kernel=(valid[0] * valid[1] * 16, 16), grid=grid(0.04127, 1))
    add("both", "add", ("pool", "wide"), (16,), grid=grid(0.04561, 2))
    add("scores", "dense", ("both",), (3,), kernel=(16, 3), grid=grid(0.03989, 10))
    return Graph(tuple(nodes.values()), precision, LABELS)


def images(graph: Graph, count: int = 40, seed: int = 1) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).random((count, *graph.input.shape), np.float32)


def onnx_logits(graph: Graph, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The graph's real numbers executed by onnxruntime in float32; grids are ignored."""
    nodes, constants = [], []
    for node in graph.nodes[1:]:
        raw = node.name if node.activation == "none" else f"{node.name}_raw"
        inputs, weights = list(node.inputs), []
        if node.weights:
            kernel = node.weights["kernel"].real()
            if node.op == "conv2d":
                kernel = kernel.transpose(3, 2, 0, 1)
            elif node.op == "depthwise_conv2d":
                kernel = kernel.transpose(2, 3, 0, 1)
            weights = [(f"{node.name}_k", kernel), (f"{node.name}_b", node.weights["bias"].real())]
            constants += [
                numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights
            ]
        names = [*inputs, *(name for name, _ in weights)]
        if node.op in ("conv2d", "depthwise_conv2d"):
            groups = graph[inputs[0]].shape[2] if node.op == "depthwise_conv2d" else 1
            padding = "SAME_UPPER" if node.padding == "same" else "VALID"
            nodes.append(
                helper.make_node("Conv", names, [raw], strides=node.strides, group=groups, auto_pad=padding)
            )
        elif node.op == "dense":
            nodes.append(helper.make_node("Gemm", names, [raw]))
        elif node.op == "add":
            nodes.append(helper.make_node("Add", names, [raw]))
        elif node.op == "global_average_pool":
            nodes.append(helper.make_node("GlobalAveragePool", names, [f"{raw}_4d"]))
            nodes.append(helper.make_node("Flatten", [f"{raw}_4d"], [raw]))
        else:
            nodes.append(helper.make_node("Transpose", names, [f"{raw}_t"], perm=[0, 2, 3, 1]))
            nodes.append(helper.make_node("Flatten", [f"{raw}_t"], [raw]))
        if node.activation == "relu":
            nodes.append(helper.make_node("Relu", [raw], [node.name]))
        elif node.activation == "relu6":
            limits = [f"{node.name}_low", f"{node.name}_high"]
            for name, limit in zip(limits, (0.0, 6.0), strict=True):
                constants.append(numpy_helper.from_array(np.array(limit, np.float32), name))
            nodes.append(helper.make_node("Clip", [raw, *limits], [node.name]))
    height, width, channels = graph.input.shape
    source = helper.make_tensor_value_info(
        graph.input.name, TensorProto.FLOAT, [None, channels, height, width]
    )
    result = helper.make_tensor_value_info(graph.output.name, TensorProto.FLOAT, None)
    body = helper.make_graph(nodes, "reference", [source], [result], constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits: npt.NDArray[np.float32] = session.run(None, {graph.input.name: x.transpose(0, 3, 1, 2)})[0]
    return logits


def integer_codes(graph: Graph, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The int8 graph executed on integers: codes of the output."""
    codes: dict[str, npt.NDArray[np.int64]] = {}
    for node in graph:
        assert node.grid is not None
        scale, zero = np.float32(node.grid.scale), node.grid.zero_point
        real: Any
        if node.op == "input":
            real = x / scale
        elif node.op == "add":
            terms = [(codes[name], graph[name].grid) for name in node.inputs]
            real = sum((c - g.zero_point) * np.float32(np.float32(g.scale) / scale) for c, g in terms if g)
        else:
            source = graph[node.inputs[0]]
            assert source.grid is not None
            centred = codes[source.name] - source.grid.zero_point
            ratio = np.float32(source.grid.scale) / scale
            if node.op == "flatten":
                real = centred.reshape(len(x), -1) * ratio
            elif node.op == "global_average_pool":
                real = centred.sum(axis=(1, 2)) * (ratio / np.float32(source.shape[0] * source.shape[1]))
            else:
                weight = node.weights["kernel"]
                assert weight.scale is not None
                total = _integer_sums(node, source, centred) + node.weights["bias"].values.astype(np.int64)
                assert np.abs(total).max() < 2**31
                real = total * (np.float32(source.grid.scale) * weight.scale / scale)
        low = zero if node.activation != "none" else -128
        high = min(127, zero + int(np.rint(6 / scale))) if node.activation == "relu6" else 127
        codes[node.name] = np.clip(np.rint(np.asarray(real, np.float32)) + zero, max(low, -128), high).astype(
            np.int64
        )
    return codes[graph.output.name]


def _integer_sums(node: Node, source: Node, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    kernel = node.weights["kernel"].values.astype(np.int64)
    if node.op == "dense":
        return x @ kernel
    rows = (
        same_padding(source.shape[0], kernel.shape[0], node.strides[0]) if node.padding == "same" else (0, 0)
    )
    columns = (
        same_padding(source.shape[1], kernel.shape[1], node.strides[1]) if node.padding == "same" else (0, 0)
    )
    padded = np.pad(x, ((0, 0), rows, columns, (0, 0)))
    total = np.zeros((len(x), *node.shape), np.int64)
    for row in range(node.shape[0]):
        for column in range(node.shape[1]):
            top, left = row * node.strides[0], column * node.strides[1]
            seen = padded[:, top : top + kernel.shape[0], left : left + kernel.shape[1]]
            if node.op == "depthwise_conv2d":
                total[:, row, column] = np.einsum("nhwc,hwc->nc", seen, kernel[..., 0])
            else:
                total[:, row, column] = np.einsum("nhwc,hwco->no", seen, kernel)
    return total


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("coreml")
    paths = {precision: folder / f"{precision}.mlpackage" for precision in PRECISIONS}
    for precision, path in paths.items():
        coreml.write(small_graph(precision), path)
    return paths


def operations(path: Path) -> dict[str, mil.Operation]:
    return {operation.name: operation for operation in mil.read(path).main.operations}


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-5), ("w8", 1e-5), ("w4", 1e-5), ("fp16", 2e-2)]
)
def test_written_file_computes_what_onnxruntime_computes_from_the_graph(
    packages: dict[str, Path], precision: str, tolerance: float
) -> None:
    graph = small_graph(precision)
    x = images(graph, 100)
    logits = coreml.evaluate(packages[precision]).predict(x)
    assert logits.shape == (100, 3)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, onnx_logits(graph, x), rtol=0, atol=tolerance)


def test_half_precision_is_really_computed_in_half_precision(packages: dict[str, Path]) -> None:
    graph = small_graph("fp16")
    logits = coreml.evaluate(packages["fp16"]).predict(images(graph))
    assert np.array_equal(logits, logits.astype(np.float16).astype(np.float32))
    assert np.abs(logits - onnx_logits(graph, images(graph))).max() > 1e-5


def test_int8_file_agrees_with_an_integer_reference(packages: dict[str, Path]) -> None:
    graph = small_graph("int8")
    x = images(graph, 400)
    grid = graph.output.grid
    assert grid is not None
    got = (
        np.rint(coreml.evaluate(packages["int8"]).predict(x) / np.float32(grid.scale)).astype(int)
        + grid.zero_point
    )
    wanted = integer_codes(graph, x)
    assert len(np.unique(wanted)) > 20
    assert np.abs(got - wanted).max() <= 1
    assert (got == wanted).mean() >= 0.99


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(seed=st.integers(2, 10_000), size=st.integers(8, 17))
def test_int8_holds_for_other_weights_and_image_sizes(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int
) -> None:
    graph = small_graph("int8", seed=seed, size=size)
    path = tmp_path_factory.mktemp("int8") / "model.mlpackage"
    coreml.write(graph, path)
    x, grid = images(graph, 60), graph.output.grid
    assert grid is not None
    got = np.rint(coreml.evaluate(path).predict(x) / np.float32(grid.scale)) + grid.zero_point
    difference = np.abs(got - integer_codes(graph, x))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.95


@pytest.mark.parametrize("precision", ["w8", "w4", "int8"])
def test_saved_integers_and_scales_are_the_graphs_own(packages: dict[str, Path], precision: str) -> None:
    saved = read_back(mil.read(packages[precision]).main)
    kernels = [node.weights["kernel"] for node in small_graph(precision) if node.weights]
    assert len(saved.kernels) == len(kernels) == 6
    for found, weight in zip(saved.kernels, kernels, strict=True):
        assert np.array_equal(found.values, weight.values)
        assert found.scale is not None
        assert weight.scale is not None
        assert np.array_equal(found.scale, weight.scale)
        assert found.axis == weight.axis


def test_four_bit_kernels_take_half_a_byte_a_weight(packages: dict[str, Path]) -> None:
    weights = package.read(packages["w4"])[1]
    codes = [weights[i + 4] for i in range(64, len(weights), 64) if weights[i : i + 4] == b"\xef\xbe\xad\xde"]
    assert (codes.count(8), codes.count(4)) == (5, 1)  # blob storage's codes of int4 and int8


def test_saved_grids_are_the_graphs_own_after_every_node(packages: dict[str, Path]) -> None:
    assert read_back(mil.read(packages["int8"]).main).grids == tuple(
        node.grid for node in small_graph("int8") if node.grid is not None
    )


def test_nothing_is_added_to_or_dropped_from_the_graph(packages: dict[str, Path]) -> None:
    layers = {
        "conv": 4,
        "linear": 2,
        "add": 2,
        "relu": 2,
        "relu6": 1,
        "reduce_mean": 1,
        "transpose": 1,
        "reshape": 1,
    }
    weights = {"constexpr_affine_dequantize": 6}
    blocks = {"constexpr_blockwise_shift_scale": 6}
    tensors = len(small_graph("int8").nodes)
    assert {precision: dict(mil.read(path).main.inventory()) for precision, path in packages.items()} == {
        "fp32": layers,
        "fp16": layers | {"cast": 2},
        "w8": layers | weights,
        "w4": layers | blocks,
        "int8": layers | weights | {"quantize": tensors, "dequantize": tensors},
    }


def test_file_says_what_it_is(packages: dict[str, Path]) -> None:
    for precision, path in packages.items():
        program = mil.read(path)
        assert json.loads(program.metadata[coreml.LABELS_KEY]) == list(LABELS)
        assert precision in program.description
        assert program.specification == {"int8": 8, "w4": 9}.get(precision, 7)
        assert program.main.inputs == {"image": mil.TensorType("float32", (1, 2, 11, 10))}
        types = {name: kind for operation in program.main.operations for name, kind in operation.outputs}
        assert program.main.outputs == ("logits",)
        assert types["logits"] == mil.TensorType("float32", (1, 3))


def test_an_application_reads_from_the_file_how_to_feed_it_and_what_comes_out(tmp_path: Path) -> None:
    graph = dataclasses.replace(small_graph("fp32"), pixel_scale=1 / 127.5)
    coreml.write(graph, tmp_path / "model.mlpackage")
    description = described(tmp_path / "model.mlpackage")
    assert description.input[0].shortDescription == (
        "Pixels times 0.00784313725, planes in the order batch, channel (2 channels), row, column"
    )
    assert description.output[0].shortDescription == "Logits in the order of the metadata's 'classes'"
    assert list(description.input[0].type.multiArrayType.shape) == [1, 2, 11, 10]
    assert not description.input[0].type.multiArrayType.WhichOneof("ShapeFlexibility")
    assert not description.metadata.author
    assert not description.metadata.license


def test_a_free_batch_is_a_range_of_the_first_axis_only(tmp_path: Path) -> None:
    coreml.write(small_graph("int8"), tmp_path / "model.mlpackage", flexible=True)
    kind = described(tmp_path / "model.mlpackage").input[0].type.multiArrayType
    ranges = [(item.lowerBound, item.upperBound) for item in kind.shapeRange.sizeRanges]
    assert ranges == [(1, coreml.LARGEST_BATCH), (2, 2), (11, 11), (10, 10)]
    assert list(kind.shape) == [1, 2, 11, 10]


def described(path: Path) -> Any:
    return proto.model_pb2().Model.FromString(package.read(path)[0]).description


_WRITE = """
import sys
from pathlib import Path
from edgebuild.formats import coreml
from tests.formats.test_coreml import small_graph
for precision in sys.argv[2:]:
    coreml.write(small_graph(precision), Path(sys.argv[1]) / f"{precision}.mlpackage")
print("tensorflow" in sys.modules, "sklearn" in sys.modules, "torch" in sys.modules)
"""


def test_bytes_and_modes_are_the_same_in_every_process(packages: dict[str, Path], tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    for seed, order in (("1", PRECISIONS), ("77", PRECISIONS[::-1])):
        folder = tmp_path / seed
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}",
        }
        done = subprocess.run(
            [sys.executable, "-c", _WRITE, str(folder), *order],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            umask=0o077 if seed == "1" else 0o002,
        )
        assert done.stdout == "False False False\n"
        assert done.stderr == ""
        for precision, reference in packages.items():
            written = folder / f"{precision}.mlpackage"
            files = sorted(item.relative_to(reference) for item in reference.rglob("*"))
            assert files == sorted(item.relative_to(written) for item in written.rglob("*"))
            for item in files:
                mode = stat.S_IMODE((written / item).stat().st_mode)
                assert mode == (0o755 if (written / item).is_dir() else 0o644)
                if (written / item).is_file():
                    assert filecmp.cmp(written / item, reference / item, shallow=False), item


def test_writing_again_replaces_the_package_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model.mlpackage"
    coreml.write(small_graph("fp32"), path)
    (path / "stray").write_text("from an older version")
    coreml.write(small_graph("fp32", seed=5), path)
    assert sorted(item.name for item in path.iterdir()) == ["Data", "Manifest.json"]
    assert list(tmp_path.iterdir()) == [path]


def test_refused_graph_leaves_the_old_package_alone(tmp_path: Path) -> None:
    path, graph = tmp_path / "model.mlpackage", small_graph("fp32")
    coreml.write(graph, path)
    before = {item: item.read_bytes() for item in path.rglob("*") if item.is_file()}
    broken = dataclasses.replace(graph.output, op="softsign", inputs=("both",))
    with pytest.raises(
        GraphError, match=r"scores: Core ML export does not know op 'softsign'; known are conv2d"
    ):
        coreml.write(dataclasses.replace(graph, nodes=(*graph.nodes[:-1], broken)), path)
    assert {item: item.read_bytes() for item in path.rglob("*") if item.is_file()} == before


@pytest.mark.parametrize(
    ("precision", "change", "message"),
    [
        ("int8", {"grid": None}, "scores: an int8 graph needs a grid on its input and output"),
        ("fp32", {"activation": "gelu"}, "scores: activation must be none, relu or relu6, found 'gelu'"),
        ("fp16", {"weights": {"kernel": Weight(np.full((16, 3), 1e6, np.float32)),
                              "bias": Weight(np.zeros(3, np.float32))}},
         "scores: every weight must be a finite float16"),
        ("fp32", {"op": "crop", "inputs": ("1valid",), "shape": (1, 1, 16), "weights": {}},
         "scores: one number per class is required as output, found \\(1, 1, 16\\); flatten it"),
    ],
)  # fmt: skip
def test_what_cannot_be_represented_is_refused_by_name(
    tmp_path: Path, precision: str, change: dict[str, Any], message: str
) -> None:
    graph = small_graph(precision)
    changed = dataclasses.replace(
        graph, nodes=(*graph.nodes[:-1], dataclasses.replace(graph.output, **change))
    )
    with pytest.raises(GraphError, match=message):
        coreml.write(changed, tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []


def damaged(source: Path, target: Path, change: Any) -> Path:
    """A copy of the package with its weight bytes changed."""
    specification, weights = package.read(source)
    package.write(target, specification, bytes(change(bytearray(weights))))
    return target


def test_every_truncation_of_the_weights_is_noticed(packages: dict[str, Path], tmp_path: Path) -> None:
    length = len(package.read(packages["int8"])[1])
    for index, keep in enumerate(np.linspace(0, length - 1, 25).astype(int)):
        path = damaged(packages["int8"], tmp_path / f"{index}.mlpackage", lambda w, keep=keep: w[:keep])
        with pytest.raises(DataError, match="damaged|header|weights"):
            coreml.evaluate(path)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_flipped_bit_in_any_kernel_changes_the_output(
    packages: dict[str, Path], tmp_path: Path, precision: str
) -> None:
    x = images(small_graph(precision))
    expected = coreml.evaluate(packages[precision]).predict(x)
    weights = package.read(packages[precision])[1]
    starts = [i for i in range(64, len(weights), 64) if weights[i : i + 4] == b"\xef\xbe\xad\xde"]
    assert len(starts) >= 6
    for start in starts:
        offset = int.from_bytes(weights[start + 16 : start + 24], "little")
        size = int.from_bytes(weights[start + 8 : start + 16], "little")
        itemsize = {1: 2, 2: 4, 4: 1, 8: 1}[weights[start + 4]]
        last_byte = (
            offset + (size // itemsize // 2) * itemsize + itemsize - 1
        )  # sign and exponent, or the code

        def flip(data: bytearray, at: int = last_byte) -> bytearray:
            data[at] ^= 0x40
            return data

        path = damaged(packages[precision], tmp_path / f"{start}.mlpackage", flip)
        assert not np.array_equal(coreml.evaluate(path).predict(x), expected), f"constant at byte {start}"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_another_number_in_any_vector_of_the_specification_changes_the_output(
    packages: dict[str, Path], tmp_path: Path, precision: str
) -> None:
    x = images(small_graph(precision))
    expected = coreml.evaluate(packages[precision]).predict(x)
    specification, weights = package.read(packages[precision])

    def vectors(model: Any) -> list[Any]:
        """Biases and scales, as they lie in the specification."""
        function = model.mlProgram.functions["main"]
        values = [
            value
            for operation in function.block_specializations[function.opset].operations
            for value in (
                *operation.attributes.values(),
                *(item.value for given in operation.inputs.values() for item in given.arguments),
            )
        ]
        name = proto.mil_pb2().DataType.Name
        return [
            value.immediateValue.tensor
            for value in values
            if value.type.tensorType.rank
            and name(value.type.tensorType.dataType).startswith("FLOAT")
            and value.WhichOneof("value") == "immediateValue"
        ]

    model_class = proto.model_pb2().Model
    count = len(vectors(model_class.FromString(specification)))
    assert count == (12 if precision in ("w8", "w4", "int8") else 6)
    for index in range(count):
        model = model_class.FromString(specification)
        field = vectors(model)[index]
        if field.WhichOneof("value") == "floats":
            field.floats.values[1] += max(1, 1000 * abs(field.floats.values[1]))
        else:
            field.bytes.values = field.bytes.values[:3] + b"\x55" + field.bytes.values[4:]
        path = tmp_path / f"{index}.mlpackage"
        package.write(path, model.SerializeToString(), weights)
        assert not np.array_equal(coreml.evaluate(path).predict(x), expected), f"vector {index}"


def test_a_flipped_bit_in_the_metadata_of_a_constant_is_noticed(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    weights = package.read(packages["fp32"])[1]
    for at in (4, 64, 68, 72, 80):  # version, sentinel, element type, size, offset

        def flip(data: bytearray, at: int = at) -> bytearray:
            data[at] ^= 1
            return data

        with pytest.raises(DataError):
            coreml.evaluate(damaged(packages["fp32"], tmp_path / f"{at}.mlpackage", flip))
    assert weights[64:68] == b"\xef\xbe\xad\xde"


def test_swapped_biases_change_the_output(tmp_path: Path) -> None:
    graph = small_graph("fp32")
    depth, point = graph["depth"], graph["point"]
    swapped = {
        "depth": dataclasses.replace(depth, weights={**depth.weights, "bias": point.weights["bias"]}),
        "point": dataclasses.replace(point, weights={**point.weights, "bias": depth.weights["bias"]}),
    }
    nodes = tuple(swapped.get(node.name, node) for node in graph)
    coreml.write(dataclasses.replace(graph, nodes=nodes), tmp_path / "model.mlpackage")
    x = images(graph)
    logits = coreml.evaluate(tmp_path / "model.mlpackage").predict(x)
    assert np.abs(logits - onnx_logits(graph, x)).max() > 1e-3


@pytest.mark.parametrize("count", [1, 2, coreml.CHUNK, coreml.CHUNK + 1])
def test_images_do_not_influence_each_other(packages: dict[str, Path], count: int) -> None:
    graph = small_graph("int8")
    x, session = images(graph, count), coreml.load(packages["int8"], threads=1)
    one_by_one = np.concatenate([session.predict(x[i : i + 1]) for i in range(count)])
    step = np.float32(0.03989)  # of the output; sums may be ordered differently
    assert np.abs(session.predict(x) - one_by_one).max() <= 1.01 * step
    assert (session.predict(x) == one_by_one).mean() > 0.99


def test_runtime_is_reported_missing_off_macos_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert "only on macOS" in str(coreml.unavailable_runtime())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert coreml.unavailable_runtime() is None


def test_a_folder_that_is_no_package_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.mlpackage must be a Core ML package"):
        coreml.load(tmp_path / "nothing.mlpackage", threads=1)
    assert issubclass(DataError, EdgebuildError)
