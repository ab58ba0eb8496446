"""Axes that are renamed instead of moved, against NumPy, which moves them."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild.graph.run import run
from edgebuild.importers.layout import (
    OPEN,
    Refused,
    Tensor,
    arranged,
    flat_order,
    per_channel,
    reshaped,
    transposed,
    upright,
)
from edgebuild.importers.onnx import read_onnx
from tests.importers.onnx_writer import Net, predicted, random_images

SHAPES = st.tuples(*(st.integers(1, 4) for _ in range(3)))


def moved(tensor: Tensor, node: np.ndarray) -> np.ndarray:
    """The file's array, with a batch of 2, from what the node holds."""
    letters = "".join(letter for letter in tensor.axes if letter in "nhwc")
    missing = [axis for axis, letter in enumerate("nhwc") if letter not in letters]
    array = np.squeeze(node, tuple(missing))
    kept = [letter for letter in "nhwc" if letter in letters]
    return array.transpose([kept.index(letter) for letter in letters])


@given(SHAPES, st.lists(st.permutations(range(4)), max_size=3))
def test_transpositions_and_a_flattening_are_those_of_numpy(shape, orders):
    node = np.random.default_rng(0).random((2, *shape))
    tensor, array = Tensor("x", shape, "nchw", 2), node.transpose(0, 3, 1, 2)
    for order in orders:
        tensor, array = transposed(tensor, order), array.transpose(order)
    assert tensor.dims == array.shape
    np.testing.assert_array_equal(moved(tensor, node), array)
    if tensor.axes[0] != "n":
        return
    flat, order = array.reshape(2, -1), flat_order(tensor)
    found = node.reshape(2, -1)
    np.testing.assert_array_equal(found if order is None else found[:, order], flat)


@given(SHAPES, st.data())
def test_axes_of_size_1_come_and_go_as_in_numpy(shape, data):
    node = np.random.default_rng(0).random((2, *shape))
    tensor, array = Tensor("x", shape, "nchw", 2), node.transpose(0, 3, 1, 2)
    long = [size for size in array.shape[1:] if size != 1]
    places = data.draw(st.lists(st.integers(0, len(long)), max_size=3 - len(long)))
    dims = list(long)
    for place in sorted(places, reverse=True):
        dims.insert(place, 1)
    made = reshaped(tensor, (-1, *dims))
    if made is None:  # one axis, so a vector
        assert len(dims) == 1
        return
    assert made.dims == (2, *dims)
    np.testing.assert_array_equal(moved(made, node).reshape(2, *dims), array.reshape(2, *dims))


@given(SHAPES, st.permutations("nhwc"))
def test_numbers_per_channel_are_broadcast_as_in_numpy(shape, axes):
    tensor = Tensor("x", shape, "".join(axes), 2)
    numbers = np.random.default_rng(0).random([shape[2] if letter == "c" else 1 for letter in axes])
    node = np.random.default_rng(1).random((2, *shape))
    wanted = moved(tensor, node) * numbers
    np.testing.assert_array_equal(moved(tensor, node * per_channel(numbers, tensor)), wanted)


def test_what_differs_from_pixel_to_pixel_is_no_number_per_channel():
    with pytest.raises(Refused, match="one number or one per channel of N × C × H × W = n × 3 × 4 × 5"):
        per_channel(np.ones((4, 5)), Tensor("x", (4, 5, 3), "nchw", OPEN))


@pytest.mark.parametrize("dims", [(-1, -1), (7, 2), (0, 3, 5, 4, 1), (1, 60), (-2, 60), ()])
def test_shapes_that_are_none_are_refused(dims):
    with pytest.raises(Refused, match="is no shape for|it may flatten a map"):
        reshaped(Tensor("x", (4, 5, 3), "nchw", OPEN), dims)


def test_only_axes_of_size_1_may_change_places():
    assert arranged(Tensor("x", (1, 1, 8), "ncwh", OPEN), "nchw").axes == "nchw"
    with pytest.raises(
        Refused, match="must read a tensor N × C × H × W, found N × H × W × C = n × 4 × 5 × 3"
    ):
        arranged(Tensor("x", (4, 5, 3), "nhwc", OPEN), "nchw")


@pytest.mark.parametrize(("sides", "shape"), [("hw", (5, 3)), ("wh", (3, 5)), ("h", (5, 1)), ("w", (1, 5))])
def test_kernels_stand_upright(sides, shape):
    kernel = np.zeros((2, *(5, 3)[: len(sides)], 4))
    assert upright(kernel, sides, 1).shape == (2, *shape, 4)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*(st.integers(0, 3) for _ in range(4))),
    kind=st.sampled_from(["Conv", "depthwise", "MaxPool", "AveragePool"]),
    ceil=st.booleans(),
)
def test_any_window_slides_as_in_onnx_runtime(tmp_path_factory, size, window, strides, pads, kind, ceil):
    pads = tuple(min(pad, window[axis % 2] - 1) for axis, pad in enumerate(pads))  # as ONNX demands of pools
    net = Net()
    more = {"kernel_shape": window, "strides": strides, "pads": pads}
    if kind in ("Conv", "depthwise"):
        kernel = net.numbers(3, 1 if kind == "depthwise" else 3, *window)
        x = net.add("Conv", "image", kernel, group=3 if kind == "depthwise" else 1, **more)
    else:
        counted = {"count_include_pad": 1} if kind == "AveragePool" else {"ceil_mode": int(ceil)}
        x = net.add(kind, net.add("Relu", "image"), **more, **counted)
    x = net.add("Flatten", net.add("Transpose", x, perm=[0, 2, 3, 1]))
    path = net.write(tmp_path_factory.mktemp("net") / "net.onnx", x, ["n", 3, *size])
    images = random_images((*size, 3))
    wanted = predicted(path, images.transpose(0, 3, 1, 2))
    found = run(read_onnx(path, (*size, 3), ""), images)
    assert prod(found.shape) == prod(wanted.shape)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
