"""ONNX files become graphs that compute what ONNX Runtime computes from the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from edgebuild.errors import DataError, GraphError, UsageError
from edgebuild.graph.run import run
from edgebuild.importers.onnx import read_onnx
from tests.importers.onnx_writer import Net, predicted, random_images

FILES = Path(__file__).parent / "files"


def same(path: Path, shape: tuple[int, int, int], axes: str = "nchw", final: str = ""):
    """The graph of ``path``, seen to compute what the file does on images of ``shape`` (h, w, c)."""
    graph = read_onnx(path, shape, final)
    images = random_images(shape)
    order = {"nchw": (0, 3, 1, 2), "nhwc": (0, 1, 2, 3)}[axes]
    wanted = predicted(path, images.transpose(order))
    found = run(graph, images)
    assert np.abs(found - wanted.reshape(found.shape)).max() <= 1e-5 * max(1, np.abs(wanted).max())
    return graph


def ops(graph) -> list[str]:
    return [node.op for node in graph]


@pytest.mark.parametrize("exporter", ["script", "dynamo"])
def test_what_pytorch_exports_is_read_with_the_names_of_its_modules(exporter):
    graph = same(FILES / f"maps-{exporter}.onnx", (15, 15, 2))
    assert [node.name for node in graph if node.weights] == ["stem", "depthwise", "head"]
    assert "hard_silu" in [node.activation for node in graph]


@pytest.mark.parametrize("exporter", ["script", "dynamo"])
def test_one_dimensional_convolutions_are_columns(exporter):
    path = FILES / f"signal-{exporter}.onnx"
    windows = random_images((32, 1, 3))
    logits = run(read_onnx(path, (32, 1, 3)), windows)
    wanted = predicted(path, windows[:, :, 0].transpose(0, 2, 1))
    shifted = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(shifted, wanted, atol=1e-5)


@pytest.mark.parametrize("opset", [9, 11, 13, 18, 21, 23])
def test_a_network_is_the_same_in_every_opset(tmp_path, opset):
    net = Net()
    x = net.add("Relu", net.conv("image", 3, 8, pads=[1, 1, 1, 1], strides=[2, 2]))
    x = net.add("Add", x, net.conv(x, 8, 8, group=8, pads=[1, 1, 1, 1]))
    if opset < 11:
        x = net.add("Clip", x, min=0.0, max=6.0)
    else:
        x = net.add("Clip", x, net.constant(np.float32(0)), net.constant(np.float32(6)))
    if opset < 18:
        x = net.add("ReduceMean", x, axes=[2, 3], keepdims=0)
    else:
        x = net.add("ReduceMean", x, net.constant(np.array([2, 3])), keepdims=0)
    path = net.write(tmp_path / "net.onnx", net.linear(x, 8, 4), ["n", 3, 10, 10], opset)
    graph = same(path, (10, 10, 3))
    assert ops(graph)[-2:] == ["global_average_pool", "dense"]


def test_rows_of_the_dense_kernel_follow_a_flattened_map(tmp_path):
    net = Net()
    flat = net.add("Flatten", net.conv("image", 2, 6))
    x = net.add("Mul", net.add("Relu", flat), net.numbers(6 * 12))  # numbers per feature, in NCHW order
    path = net.write(tmp_path / "net.onnx", net.linear(x, 6 * 12, 4), [1, 2, 6, 5])
    assert ops(same_batches(path, (6, 5, 2))).count("dense") == 1


def same_batches(path, shape):
    """As :func:`same` for a file whose batch is 1."""
    graph = read_onnx(path, shape, "")
    images = random_images(shape)
    wanted = np.concatenate([predicted(path, image[None].transpose(0, 3, 1, 2)) for image in images])
    np.testing.assert_allclose(run(graph, images), wanted, rtol=1e-5, atol=1e-5)
    return graph


def test_branches_that_are_flattened_apart_are_joined_in_order(tmp_path):
    net = Net()
    left, right = (net.add("Flatten", net.conv("image", 2, channels)) for channels in (3, 2))
    x = net.add("Relu", net.add("Concat", left, right, axis=1))
    same(net.write(tmp_path / "net.onnx", net.linear(x, 5 * 12, 4), ["n", 2, 6, 5]), (6, 5, 2))


def test_shape_arithmetic_is_computed(tmp_path):
    net = Net()
    x = net.conv("image", 2, 4)
    first = net.add("Gather", net.add("Shape", x), net.constant(np.array(0)), axis=0)
    batch = net.add("Unsqueeze", first, net.constant(np.array([0])))
    shape = net.add("Concat", batch, net.constant(np.array([-1])), axis=0)
    x = net.add("Reshape", x, net.add("Cast", shape, to=TensorProto.INT64))
    same(net.write(tmp_path / "net.onnx", net.linear(x, 4 * 12, 3), ["n", 2, 6, 5]), (6, 5, 2))


def test_transpositions_that_cancel_each_other_leave_nothing(tmp_path):
    net = Net()
    x = net.add("Transpose", "image", perm=[0, 3, 1, 2])
    x = net.add("Transpose", net.conv(x, 3, 4, auto_pad="SAME_UPPER", strides=[2, 2]), perm=[0, 2, 3, 1])
    x = net.add("Add", net.add("MatMul", x, net.numbers(4, 5)), net.numbers(5))  # a dense layer on a map
    x = net.add("ReduceMean", x, axes=[1, 2], keepdims=0)
    graph = same(net.write(tmp_path / "net.onnx", x, ["n", 8, 8, 3]), (8, 8, 3), "nhwc")
    assert ops(graph) == ["input", "conv2d", "conv2d", "global_average_pool"]


def test_where_the_sides_fit_both_ways_the_axes_are_those_with_which_the_file_makes_sense(tmp_path):
    for axes in ("nchw", "nhwc"):
        net = Net()
        x = net.add("Transpose", "image", perm=[0, 3, 1, 2]) if axes == "nhwc" else "image"
        x = net.add("GlobalAveragePool", net.conv(x, 3, 4))
        path = net.write(tmp_path / f"{axes}.onnx", net.add("Flatten", x), ["n", 3, 3, 3])
        same(path, (3, 3, 3), axes)


@pytest.mark.parametrize(
    ("pads", "strides", "expected"),
    [
        ([1, 1, 1, 1], [1, 1], "same"),
        ([0, 0, 1, 1], [2, 2], "same"),
        ([1, 1, 1, 1], [2, 2], "pad"),
        ([2, 0, 1, 3], [1, 1], "pad"),
        ([0, 0, 0, 0], [2, 1], "valid"),
    ],
)
def test_padding_is_tensorflows_where_it_is_the_same_and_explicit_elsewhere(
    tmp_path, pads, strides, expected
):
    net = Net()
    x = net.add("Flatten", net.conv("image", 2, 4, pads=pads, strides=strides))
    size = np.prod([(8 + pads[i] + pads[i + 2] - 3) // strides[i] + 1 for i in (0, 1)])
    graph = same(net.write(tmp_path / "net.onnx", net.linear(x, 4 * int(size), 3), ["n", 2, 8, 8]), (8, 8, 2))
    assert (graph.nodes[1].op if expected == "pad" else graph.nodes[1].padding) == expected


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]])
@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
def test_pooling_with_padding_behind_a_relu(tmp_path, pool, pads):
    net = Net()
    more = {"count_include_pad": 1} if pool == "AveragePool" else {}
    x = net.add("Relu", net.conv("image", 2, 4))
    x = net.add(pool, x, kernel_shape=[3, 2], strides=[2, 2], pads=pads, **more)
    x = net.add("GlobalMaxPool", x)
    same(net.write(tmp_path / "net.onnx", net.linear(net.add("Flatten", x), 4, 3), ["n", 2, 9, 9]), (9, 9, 2))


@pytest.mark.parametrize("side", [7, 8, 9, 10])
def test_a_max_pooling_that_rounds_its_size_up(tmp_path, side):
    net = Net()
    x = net.add("Relu", net.conv("image", 2, 4, pads=[1, 1, 1, 1]))
    x = net.add("MaxPool", x, kernel_shape=[3, 2], strides=[2, 3], pads=[0, 1, 0, 1], ceil_mode=1)
    weights = net.constant(np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1, 1))
    x = net.add("Flatten", net.add("GlobalAveragePool", net.add("Mul", x, weights)))
    same(net.write(tmp_path / "net.onnx", x, ["n", 2, side, side]), (side, side, 2))


def test_an_average_leaves_out_the_padding_that_tensorflow_leaves_out(tmp_path):
    net = Net()
    x = net.add("AveragePool", net.conv("image", 2, 4), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    x = net.add("GlobalAveragePool", net.add("AveragePool", x, kernel_shape=[2, 2], auto_pad="SAME_UPPER"))
    graph = same(net.write(tmp_path / "net.onnx", net.add("Flatten", x), ["n", 2, 7, 8]), (7, 8, 2))
    assert [node.padding for node in graph if node.op == "average_pool"] == ["same", "same"]


def test_lower_same_padding_and_padding_of_its_own(tmp_path):
    net = Net()
    x = net.conv("image", 2, 4, auto_pad="SAME_LOWER", strides=[2, 2])
    x = net.add("Pad", x, net.constant(np.array([0, 0, 1, 0, 0, 0, 2, 1])))
    x = net.add("GlobalAveragePool", net.conv(x, 4, 3))
    same(net.write(tmp_path / "net.onnx", net.add("Flatten", x), ["n", 2, 8, 8]), (8, 8, 2))


def test_pixels_are_cut_off(tmp_path):
    net = Net()
    x = net.add(
        "Slice", net.conv("image", 2, 4), *(net.constant(np.array(n)) for n in ([1, -4], [9, -1], [2, 3]))
    )
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    graph = same(net.write(tmp_path / "net.onnx", x, ["n", 2, 8, 8]), (8, 8, 2))
    assert graph.nodes[2].pads == ((1, 0), (2, 1))


@pytest.mark.parametrize(
    "function",
    ["Relu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "silu", "squeeze", "hardtanh", "torch"],
)
def test_activations(tmp_path, function):
    net = Net()
    x = net.conv("image", 2, 6)
    if function == "silu":
        x = net.add("Mul", x, net.add("Sigmoid", x))
    elif function == "squeeze":  # squeeze and excitation: Hu et al. 2018
        gate = net.add("Relu", net.conv(net.add("GlobalAveragePool", x), 6, 2, side=1))
        x = net.add("Mul", x, net.add("HardSigmoid", net.conv(gate, 2, 6, side=1), alpha=1 / 6))
    elif function == "hardtanh":
        x = net.add("Clip", x, net.constant(np.float32(-1)), net.constant(np.float32(0.5)))
    elif function == "torch":  # hard swish as it was written before there was an operator for it
        three, six = net.constant(np.float32(3)), net.constant(np.float32(6))
        gate = net.add("Clip", net.add("Add", x, three), net.constant(np.float32(0)), six)
        x = net.add("Div", net.add("Mul", x, gate), six)
    else:
        x = net.add(function, x)
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    graph = same(net.write(tmp_path / "net.onnx", x, ["n", 2, 6, 6]), (6, 6, 2))
    if function in ("torch", "HardSwish"):
        assert [node.activation for node in graph if node.op == "activation"] == ["hard_silu"]
        assert ops(graph).count("multiply") == 0


def test_arithmetic_with_constants(tmp_path):
    net = Net()
    x = net.add("Div", net.add("Sub", "image", net.numbers(2, 1, 1)), net.constant(np.float32(0.5)))
    x = net.add("Sub", net.constant(np.float32(1)), net.conv(x, 2, 4))
    x = net.add("Mul", net.numbers(1, 4, 1, 1), net.add("Add", x, net.numbers(4, 1, 1)))
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    x = net.add("Mul", net.linear(x, 4, 3), net.numbers(3))
    graph = same(net.write(tmp_path / "net.onnx", x, ["n", 2, 6, 6]), (6, 6, 2))
    assert ops(graph) == ["input", "depthwise_conv2d", "conv2d", "global_average_pool", "dense"]


def test_a_network_of_vectors_reads_the_image_row_by_row(tmp_path):
    net = Net()
    path = net.write(tmp_path / "net.onnx", net.linear(net.linear("image", 24, 8), 8, 3), ["n", 24])
    graph = read_onnx(path, (3, 4, 2))
    images = random_images((3, 4, 2))
    np.testing.assert_allclose(run(graph, images), predicted(path, images.reshape(3, 24)), atol=1e-5)


@pytest.mark.parametrize("end", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_a_final_activation_is_left_out_where_it_is_asked_for(tmp_path, end):
    net = Net()
    logits = net.linear(net.add("Flatten", "image"), 8, 3)
    path = net.write(tmp_path / "net.onnx", net.add(end, logits), ["n", 2, 2, 2])
    final = "sigmoid" if end == "Sigmoid" else "softmax"
    assert ops(read_onnx(path, (2, 2, 2), final)) == ["input", "flatten", "dense"]
    if end != "LogSoftmax":
        assert ops(same(path, (2, 2, 2))) == ["input", "flatten", "dense", "activation"]
    else:
        with pytest.raises(GraphError, match="leave it out before export"):
            read_onnx(path, (2, 2, 2), "")


def test_all_that_stands_in_the_way_is_named_at_once(tmp_path):
    net = Net()
    x = net.add("Relu", net.conv("image", 4, 4, group=2, name="grouped"))
    x = net.conv(x, 4, 4, dilations=[2, 2], name="dilated")
    x = net.add("Erf", x, name="gelu")
    y = net.add("LeakyRelu", "image", name="leaky")
    z = net.add("AveragePool", "image", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, name="ceiled")
    x = net.add("Sum", x, y, z)
    path = net.write(tmp_path / "net.onnx", x, ["n", 4, 12, 12])
    with pytest.raises(GraphError) as raised:
        read_onnx(path, (12, 12, 4))
    message = str(raised.value)
    assert "6 problems" in message
    for name in (
        "'grouped' (Conv): its 4 channels are in 2 groups",
        "'dilated' (Conv): dilations",
        "'gelu' (Erf)",
    ):
        assert name in message
    for name in (
        "'leaky' (LeakyRelu): the operator is not supported",
        "'ceiled' (AveragePool): ceil_mode",
        "(Sum)",
    ):
        assert name in message


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda net: net.add("AveragePool", "image", kernel_shape=[3, 3], pads=[2, 1, 0, 1]),
            "out of the mean",
        ),
        (
            lambda net: net.add("MaxPool", "image", kernel_shape=[3, 3], pads=[1, 0, 1, 0], strides=[2, 2]),
            "behind a ReLU",
        ),
        (lambda net: net.add("Add", "image", net.numbers(1, 2, 6, 6)), "one number or one per channel"),
        (lambda net: net.add("ReduceMean", "image", axes=[2]), "mean over height and width"),
        (lambda net: net.add("Concat", "image", "image", axis=2), "join channels"),
        (lambda net: net.add("Transpose", "image", perm=[0, 2, 1, 3]), "its output"),
        (lambda net: net.add("Reshape", "image", net.constant(np.array([-1, 2, 36]))), "may flatten a map"),
        (lambda net: net.add("Softmax", "image", axis=2), "along the channels"),
        (lambda net: net.add("Div", net.constant(np.float32(1)), "image"), "not a constant by a tensor"),
        (lambda net: net.conv("image", 2, 3), "its output is a map"),
        (lambda net: net.add("Flatten", "image"), "flattened channel by channel"),
        (
            lambda net: net.add(
                "Pad", "image", net.constant(np.array([0, 1, 0, 0, 0, 0, 0, 0])), mode="constant"
            ),
            "height and width only",
        ),
        (
            lambda net: net.add("Pad", "image", net.constant(np.ones(8, np.int64)), mode="reflect"),
            "with zeros",
        ),
        (lambda net: net.add("Clip", "image", net.constant(np.float32(1))), "two finite bounds"),
        (lambda net: net.add("Add", net.numbers(3), net.numbers(3)), "does not depend on the input"),
        (
            lambda net: net.add(
                "QuantizeLinear", "image", net.constant(np.float32(1)), net.constant(np.uint8(0))
            ),
            "quantized; give the float32 network",
        ),
    ],
)
def test_what_the_graph_cannot_hold_is_refused_with_the_reason(tmp_path, make, reason):
    net = Net()
    path = net.write(tmp_path / "net.onnx", make(net), ["n", 2, 6, 6])
    with pytest.raises(GraphError, match=reason):
        read_onnx(path, (6, 6, 2))


def test_operators_of_one_kind_share_a_line(tmp_path):
    net = Net()
    x = "image"
    for number in range(5):
        x = net.add("Erf", x, name=f"gelu{number}")
    path = net.write(tmp_path / "net.onnx", x, ["n", 2, 4, 4])
    with pytest.raises(
        GraphError, match=r"operators 'gelu0', 'gelu1', 'gelu2' and 2 more \(Erf\): the operator"
    ):
        read_onnx(path, (4, 4, 2))


def test_an_input_of_another_shape_is_refused_with_both(tmp_path):
    net = Net()
    path = net.write(tmp_path / "net.onnx", net.add("Flatten", "image"), ["n", 3, 32, 32])
    with pytest.raises(DataError, match="n.*any × 3 × 32 × 32, but the data are n × 8 × 8 × 1"):
        read_onnx(path, (8, 8, 1))


def test_a_file_of_another_opset_or_type_is_refused(tmp_path):
    net = Net()
    path = net.write(tmp_path / "net.onnx", net.add("Flatten", "image"), ["n", 2, 2, 2], 8)
    with pytest.raises(DataError, match="opset is 8, not one of 9 to 23"):
        read_onnx(path, (2, 2, 2))
    net.write(path, "flatten_0", ["n", 2, 2, 2], kind=TensorProto.FLOAT16)
    with pytest.raises(DataError, match="'image' is not float32"):
        read_onnx(path, (2, 2, 2))


def test_weights_beside_the_file_that_are_not_there_are_asked_for(tmp_path):
    import onnx

    model = onnx.load(FILES / "maps-dynamo.onnx")
    path = tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert read_onnx(path, (15, 15, 2)).output.shape == (5,)
    (tmp_path / "net.data").unlink()
    with pytest.raises(DataError, match=r"net\.data"):
        read_onnx(path, (15, 15, 2))


@pytest.mark.parametrize("name", ["maps-script", "signal-dynamo"])
def test_damaged_files_are_refused_or_read(tmp_path, name):
    """Truncated anywhere, or a bit turned over anywhere: never an error that is not ours."""
    content = (FILES / f"{name}.onnx").read_bytes()
    shape = (15, 15, 2) if name.startswith("maps") else (32, 1, 3)
    generator = np.random.default_rng(0)
    path = tmp_path / "net.onnx"
    refused = 0
    for attempt in range(150):
        place = int(generator.integers(len(content)))
        damaged = bytearray(content[:place] if attempt % 3 == 0 else content)
        if attempt % 3:
            damaged[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        try:
            read_onnx(path, shape)
        except UsageError:
            refused += 1
    assert refused > 50
