"""Each MIL operation against a plain reference: loops, or numpy's float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgebuild.errors import GraphError
from edgebuild.mil import OPERATORS
from edgebuild.mil.ops import conv

Real = npt.NDArray[np.float32]


def call(op: str, **inputs: Any) -> Any:
    given_inputs = {k: v if isinstance(v, str) or k == "values" else np.asarray(v) for k, v in inputs.items()}
    return OPERATORS[op].run(given_inputs)


def normal(*shape: int, seed: int = 0) -> Real:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def onnx_run(op: str, inputs: dict[str, Real], **attributes: Any) -> Real:
    node = helper.make_node(op, list(inputs), ["y"], **attributes)
    infos = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in inputs.items()]
    graph = helper.make_graph(
        [node], "g", infos, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: Real = session.run(None, inputs)[0]
    return result


windows = st.fixed_dictionaries(
    {
        "size": st.tuples(st.integers(5, 12), st.integers(5, 12)),
        "kernel": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "padding": st.sampled_from(["valid", "same", "same_lower", "custom"]),
        "batch": st.integers(1, 3),
    }
)


def padding_of(window: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same padding in MIL's words and in ONNX's."""
    if window["padding"] == "custom":
        return {"pad_type": "custom", "pad": [1, 2, 0, 3]}, {"pads": [1, 0, 2, 3]}
    names = {"valid": "VALID", "same": "SAME_UPPER", "same_lower": "SAME_LOWER"}
    return {"pad_type": window["padding"]}, {"auto_pad": names[window["padding"]]}


@settings(max_examples=80, deadline=None)
@given(window=windows, kind=st.sampled_from([(1, 6), (6, 1), (2, 3), (3, 2)]))
def test_conv_equals_onnxruntime(window: dict[str, Any], kind: tuple[int, int]) -> None:
    groups, per_group = kind
    x = normal(window["batch"], groups * per_group, *window["size"])
    out = groups if per_group == 1 else 2 * groups
    weight, bias = normal(out, per_group, *window["kernel"], seed=1), normal(out, seed=2)
    ours, theirs = padding_of(window)
    got = call("conv", x=x, weight=weight, bias=bias, strides=window["strides"], groups=groups, **ours)
    expected = onnx_run(
        "Conv", {"x": x, "w": weight, "b": bias}, strides=window["strides"], group=groups, **theirs
    )
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5)


@settings(max_examples=60, deadline=None)
@given(window=windows, op=st.sampled_from(["max_pool", "avg_pool"]), exclude=st.booleans())
def test_pooling_equals_onnxruntime(window: dict[str, Any], op: str, exclude: bool) -> None:
    # onnxruntime refuses "same" where a stride jumps over pixels.
    strides = tuple(min(pair) for pair in zip(window["kernel"], window["strides"], strict=True))
    window = {**window, "strides": strides, "padding": window["padding"].replace("custom", "same")}
    x = normal(window["batch"], 3, *window["size"])
    ours, theirs = padding_of(window)
    if op == "avg_pool":
        ours["exclude_padding_from_average"], theirs["count_include_pad"] = exclude, int(not exclude)
    got = call(op, x=x, kernel_sizes=window["kernel"], strides=window["strides"], **ours)
    name = {"max_pool": "MaxPool", "avg_pool": "AveragePool"}[op]
    expected = onnx_run(name, {"x": x}, kernel_shape=window["kernel"], strides=window["strides"], **theirs)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_depthwise_takes_the_plain_way_for_wide_images_and_infinities() -> None:
    weight = normal(2, 1, 3, 3, seed=1)
    wide = normal(1, 2, 4, 300)
    expected = onnx_run("Conv", {"x": wide, "w": weight}, group=2)
    np.testing.assert_allclose(call("conv", x=wide, weight=weight, groups=2), expected, rtol=0, atol=1e-5)
    narrow = normal(1, 2, 6, 6)
    narrow[0, 0, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        result = call("conv", x=narrow, weight=weight, groups=2)
    assert np.isinf(result[0, 0, 0, 0])
    assert np.isfinite(result[0, 0].ravel()[1:]).all()
    assert 3 * 300 > conv._BAND > 3 * 6


def test_small_pieces_of_work_give_the_same_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = normal(3, 4, 9, 300), normal(5, 4, 3, 3, seed=1)
    whole = call("conv", x=x, weight=weight)
    monkeypatch.setattr(conv, "_PIECE", 1)
    np.testing.assert_allclose(call("conv", x=x, weight=weight), whole, rtol=0, atol=1e-5)


def test_linear_and_matmul_are_matrix_products() -> None:
    x, weight, bias = normal(4, 5), normal(3, 5, seed=1), normal(3, seed=2)
    np.testing.assert_allclose(call("linear", x=x, weight=weight, bias=bias), x @ weight.T + bias, atol=1e-6)
    y = normal(2, 3, 4), normal(2, 3, 5, seed=1)
    np.testing.assert_allclose(
        call("matmul", x=y[0], y=y[1], transpose_x=True), np.einsum("bij,bik->bjk", *y), atol=1e-6
    )
    np.testing.assert_allclose(call("matmul", x=x, y=weight, transpose_y=True), x @ weight.T, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-200, 200, width=32), min_size=1, max_size=20))
def test_activations_equal_their_definition_in_float64(numbers: list[float]) -> None:
    x, wide = np.array(numbers, np.float32), np.array(numbers, np.float64)
    assert np.array_equal(call("relu", x=x), np.maximum(x, 0))
    assert np.array_equal(call("relu6", x=x), np.minimum(np.maximum(x, 0), 6))
    assert np.array_equal(
        call("clip", x=x, alpha=np.float32(-1), beta=np.float32(3)), np.minimum(np.maximum(x, -1), 3)
    )
    np.testing.assert_allclose(call("sigmoid", x=x), 1 / (1 + np.exp(-wide)), rtol=0, atol=1e-6)
    powers = np.exp(wide - wide.max())
    np.testing.assert_allclose(
        call("softmax", x=x, axis=np.int32(0)), powers / powers.sum(), rtol=0, atol=1e-6
    )


def test_arithmetic_broadcasts_as_numpy_does_and_refuses_mixed_types() -> None:
    x, y = normal(2, 3), normal(3, seed=1)
    assert np.array_equal(call("add", x=x, y=y), x + y)
    assert np.array_equal(call("sub", x=x, y=y), x - y)
    assert np.array_equal(call("mul", x=x, y=y), x * y)
    with pytest.raises(GraphError, match="one type, found float32 and int32"):
        call("add", x=x, y=np.ones(3, np.int32))


def test_shapes_move_elements_in_c_order() -> None:
    x = normal(2, 3, 4)
    assert np.array_equal(call("reshape", x=x, shape=[0, -1, 2]), x.reshape(2, 6, 2))
    assert np.array_equal(
        call("reshape", x=x.transpose(2, 0, 1), shape=[4, -1]), x.transpose(2, 0, 1).reshape(4, 6)
    )
    assert np.array_equal(call("transpose", x=x, perm=[2, 0, 1]), x.transpose(2, 0, 1))
    assert np.array_equal(call("concat", values=(x, x + 1), axis=1), np.concatenate([x, x + 1], 1))
    np.testing.assert_allclose(
        call("reduce_mean", x=x, axes=[1, -1], keep_dims=True), x.mean((1, 2), keepdims=True)
    )
    assert call("reduce_mean", x=x).shape == ()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30),
    st.floats(0.015625, 2, width=32),
    st.integers(-128, 127),
)
def test_quantization_equals_its_definition(numbers: list[float], scale: float, zero_point: int) -> None:
    x, s, z = np.array(numbers, np.float32), np.float32(scale), np.int8(zero_point)
    codes = call("quantize", input=x, scale=s, zero_point=z, output_dtype="int8")
    assert codes.dtype == np.int8
    assert codes.tolist() == [min(max(round(float(v / s)) + zero_point, -128), 127) for v in x]
    real = call("dequantize", input=codes, scale=s, zero_point=z)
    assert real.tolist() == [float(np.float32(int(c) - zero_point) * s) for c in codes]


def test_halves_go_to_the_even_code() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32)
    assert call("quantize", input=x, scale=np.float32(1), output_dtype="int8").tolist() == [0, 2, 2, 0, -2]


def test_stored_weights_have_one_scale_per_entry_of_their_axis() -> None:
    codes, scale = np.arange(-6, 6, dtype=np.int8).reshape(3, 4), np.array([1, 0.5, 2, 4], np.float32)
    real = call(
        "constexpr_affine_dequantize", quantized_data=codes, scale=scale, zero_point=np.int8(1), axis=1
    )
    assert np.array_equal(real, (codes.astype(np.float32) - 1) * scale)


def test_casts_truncate_and_refuse_unknown_types() -> None:
    assert call("cast", x=np.array([1.9, -1.9], np.float32), dtype="int32").tolist() == [1, -1]
    with pytest.raises(GraphError, match="dtype must be one of .* found 'complex'"):
        call("cast", x=normal(2), dtype="complex")


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        ("conv", {"x": normal(1, 3, 5, 5), "weight": normal(2, 4, 3, 3)}, "does not fit 3 channels"),
        ("conv", {"x": normal(1, 3, 4, 4), "weight": normal(2, 3, 3, 3), "dilations": [2, 2]}, "does not fit"),
        ("conv", {"x": normal(1, 3, 2, 2), "weight": normal(2, 3, 3, 3)}, "does not fit into an image"),
        ("conv", {"x": normal(3, 5), "weight": normal(2, 3, 3, 3)}, "rank 3 or 4"),
        ("max_pool", {"x": normal(1, 3, 5, 5), "kernel_sizes": [2]}, "2 spatial axes, a parameter has 1"),
        ("linear", {"x": normal(1, 3), "weight": normal(2, 4)}, "does not fit x"),
        ("reshape", {"x": normal(2, 3), "shape": [4, 2]}, "has not the elements"),
        ("relu", {}, "parameter x must be one tensor, found nothing"),
        ("quantize", {"input": normal(2), "scale": np.float32(1), "output_dtype": "int4"}, "int8 or uint8"),
    ],
)  # fmt: skip
def test_what_is_not_covered_is_refused(op: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        call(op, **inputs)
