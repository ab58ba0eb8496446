"""Families of operations whose tests at Apple need PyTorch, against ONNX Runtime and plain definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild.errors import GraphError
from edgebuild.mil import OPERATORS
from tests.mil.test_ops import call, normal, onnx_run

sizes = st.tuples(st.integers(7, 11), st.integers(7, 11))
small = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=50, deadline=None)
@given(size=sizes, kernel=small, strides=small, dilations=small, groups=st.sampled_from([1, 2, 4]))
def test_dilated_and_grouped_convolutions_equal_onnxruntime(
    size: Any, kernel: Any, strides: Any, dilations: Any, groups: int
) -> None:
    x, weight = normal(2, 4, *size), normal(8 if groups < 4 else 4, 4 // groups, *kernel, seed=1)
    pad = [1, 2, 0, 1]
    got = call(
        "conv",
        x=x,
        weight=weight,
        strides=strides,
        dilations=dilations,
        groups=groups,
        pad_type="custom",
        pad=pad,
    )
    expected = onnx_run(
        "Conv", {"x": x, "w": weight}, strides=strides, dilations=dilations, group=groups, pads=[1, 0, 2, 1]
    )
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(6, 12), kernel=st.integers(1, 3), stride=st.integers(1, 3), dilation=st.integers(1, 2)
)
def test_one_spatial_axis_is_convolved_as_onnxruntime_does(
    length: int, kernel: int, stride: int, dilation: int
) -> None:
    x, weight, bias = normal(2, 3, length), normal(5, 3, kernel, seed=1), normal(5, seed=2)
    got = call("conv", x=x, weight=weight, bias=bias, strides=[stride], dilations=[dilation])
    expected = onnx_run("Conv", {"x": x, "w": weight, "b": bias}, strides=[stride], dilations=[dilation])
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5)


@settings(max_examples=60, deadline=None)
@given(size=sizes, kernel=small, strides=small, dilations=small, groups=st.sampled_from([1, 2]), pad=small)
def test_transposed_convolutions_equal_onnxruntime(
    size: Any, kernel: Any, strides: Any, dilations: Any, groups: int, pad: Any
) -> None:
    x, weight, bias = normal(2, 4, *size), normal(4, 3, *kernel, seed=1), normal(3 * groups, seed=2)
    got = call(
        "conv_transpose", x=x, weight=weight, bias=bias, strides=strides, dilations=dilations, groups=groups,
        pad_type="custom", pad=[pad[0], 1, 0, pad[1]],
    )  # fmt: skip
    expected = onnx_run(
        "ConvTranspose", {"x": x, "w": weight, "b": bias}, strides=strides, dilations=dilations, group=groups,
        pads=[pad[0], 0, 1, pad[1]],
    )  # fmt: skip
    np.testing.assert_allclose(got, expected, rtol=0, atol=3e-5)


def test_a_transposed_convolution_takes_the_shape_it_is_told() -> None:
    x, weight = normal(1, 2, 4, 4), normal(2, 3, 3, 3, seed=1)
    same = call(
        "conv_transpose", x=x, weight=weight, strides=[2, 2], pad_type="same", output_shape=[1, 3, 8, 8]
    )
    expected = onnx_run("ConvTranspose", {"x": x, "w": weight}, strides=[2, 2], pads=[0, 0, 1, 1])
    np.testing.assert_allclose(same, expected, rtol=0, atol=2e-5)


@settings(max_examples=60, deadline=None)
@given(
    size=sizes,
    kernel=st.integers(2, 4),
    stride=st.integers(1, 3),
    pad=st.integers(0, 1),
    op=st.sampled_from(["max_pool", "avg_pool"]),
    exclude=st.booleans(),
)
def test_ceil_mode_equals_onnxruntime(
    size: Any, kernel: int, stride: int, pad: int, op: str, exclude: bool
) -> None:
    x = normal(2, 3, *size)
    ours: dict[str, Any] = {"pad_type": "custom", "pad": [pad] * 4, "ceil_mode": True}
    theirs: dict[str, Any] = {"pads": [pad] * 4, "ceil_mode": 1}
    # without padding, MIL lets a last window begin beyond the end, which ONNX does not
    if pad == 0 and any(-(-(n - kernel) // stride) * stride >= n for n in size):
        return
    if op == "avg_pool":
        ours["exclude_padding_from_average"], theirs["count_include_pad"] = exclude, int(not exclude)
    got = call(op, x=x, kernel_sizes=[kernel] * 2, strides=[stride] * 2, **ours)
    name = {"max_pool": "MaxPool", "avg_pool": "AveragePool"}[op]
    expected = onnx_run(name, {"x": x}, kernel_shape=[kernel] * 2, strides=[stride] * 2, **theirs)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=20))
def test_smooth_activations_equal_their_definition_in_float64(numbers: list[float]) -> None:
    x, wide = np.array(numbers, np.float32), np.array(numbers, np.float64)
    erf = np.array([math.erf(v) for v in wide])
    half, one = np.float32(0.5), np.float32(1)
    definitions = {
        "gelu": (call("gelu", x=x), wide * 0.5 * (1 + np.array([math.erf(v / 2**0.5) for v in wide]))),
        "erf": (call("erf", x=x), erf),
        "silu": (call("silu", x=x), wide / (1 + np.exp(-wide))),
        "softplus": (call("softplus", x=x), np.log1p(np.exp(-np.abs(wide))) + np.maximum(wide, 0)),
        "elu": (call("elu", x=x, alpha=half), np.where(wide > 0, wide, 0.5 * np.expm1(np.minimum(wide, 0)))),
        "hard": (call("sigmoid_hard", x=x, alpha=half, beta=one), np.clip(0.5 * wide + 1, 0, 1)),
        "softsign": (call("softsign", x=x), wide / (1 + np.abs(wide))),
    }
    for name, (got, expected) in definitions.items():
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-6, err_msg=name)


@settings(max_examples=40, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data())
def test_reductions_over_any_axes_equal_numpy_in_float64(shape: list[int], data: st.DataObject) -> None:
    x = normal(*shape)
    axes = data.draw(st.lists(st.integers(-len(shape), -1), min_size=1, unique=True))
    keep, wide, over = data.draw(st.booleans()), x.astype(np.float64), tuple(axes)
    expected = {
        "sum": wide.sum(over, keepdims=keep),
        "max": wide.max(over, keepdims=keep),
        "min": wide.min(over, keepdims=keep),
        "prod": wide.prod(over, keepdims=keep),
        "l1_norm": np.abs(wide).sum(over, keepdims=keep),
        "l2_norm": np.sqrt(np.square(wide).sum(over, keepdims=keep)),
        "sum_square": np.square(wide).sum(over, keepdims=keep),
        "log_sum_exp": np.log(np.exp(wide).sum(over, keepdims=keep)),
    }
    for name, value in expected.items():
        got = call(f"reduce_{name}", x=x, axes=axes, keep_dims=keep)
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_rearrangements_have_inverses() -> None:
    x = normal(2, 8, 6, 4)
    deep = call("depth_to_space", x=x, block_size=2)
    assert deep.shape == (2, 2, 12, 8)
    assert np.array_equal(call("space_to_depth", x=deep, block_size=2), x)
    shuffled = call("pixel_shuffle", x=x, upscale_factor=2)
    assert np.array_equal(call("pixel_unshuffle", x=shuffled, downscale_factor=2), x)
    spread = call("space_to_batch", x=x, block_shape=[2, 2], paddings=[[1, 1], [0, 2]])
    assert np.array_equal(call("batch_to_space", x=spread, block_shape=[2, 2], crops=[[1, 1], [0, 2]]), x)


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        ("conv_transpose", {"x": normal(1, 3, 4, 4), "weight": normal(2, 3, 3, 3)}, "does not fit x"),
        ("pad", {"x": normal(2, 3), "pad": [0, -1]}, "not be negative"),
        ("pad", {"x": normal(2, 3), "pad": [0, 3], "mode": "reflect"}, "larger than the tensor"),
        ("slice_by_size", {"x": normal(4), "begin": [2], "size": [3]}, "elements 2 to 5 of an axis of 4"),
        ("gather", {"x": normal(4), "indices": [4], "axis": 0}, "into 4 elements"),
        ("split", {"x": normal(4), "split_sizes": [1, 2], "axis": 0}, "do not make up"),
        ("crop", {"x": normal(1, 1, 4, 4), "crop_height": [2, 2], "crop_width": [0, 0]}, "nothing is left"),
        ("resize_bilinear", {"x": normal(1, 1, 2, 2), "sampling_mode": "MAGIC"}, "sampling_mode is 'MAGIC'"),
        ("gelu", {"x": normal(2), "mode": "FAST"}, "found 'FAST'"),
        ("matmul", {"x": normal(2, 3), "y": normal(2, 3)}, "cannot be multiplied"),
        ("einsum", {"values": (normal(2, 3), normal(3)), "equation": "ab,bc->ac"}, "does not fit shapes"),
        ("select", {"cond": [True], "a": normal(1), "b": np.ones(1, np.int32)}, "one type"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(op: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        call(op, **inputs)


def test_there_are_many_operations() -> None:
    assert len(OPERATORS) >= 130
