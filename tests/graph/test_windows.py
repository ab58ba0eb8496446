"""Poolings, pads and crops of the reference against plain loops over every window."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.graph import floats, integers
from edgebuild.graph.ir import Grid, Node, same_padding
from edgebuild.graph.shapes import shape_of

GRID = Grid(0.25, -17)


@st.composite
def pools(draw, op):
    """A pooling node and a map, int8 ``(2, h, w, 3)``, that it can read."""
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    padding = draw(st.sampled_from(["same", "valid"]))
    most = (7, 7) if padding == "same" else (height, width)
    window = (draw(st.integers(1, most[0])), draw(st.integers(1, most[1])))
    strides = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    node = Node("pool", op, ("image",), (), strides, padding, window, grid=GRID)
    shape = shape_of(node, [(height, width, 3)])
    assert shape is not None
    values = np.random.default_rng(draw(st.integers(0, 9))).integers(-128, 128, (2, height, width, 3))
    return Node("pool", op, ("image",), shape, strides, padding, window, grid=GRID), values.astype(np.int8)


def windows(node, image):
    """For every output pixel, the pixels of the map, without padding, in its window: (n, pixels, c)."""
    height, width = image.shape[1:3]
    top = same_padding(height, node.window[0], node.strides[0])[0] if node.padding == "same" else 0
    left = same_padding(width, node.window[1], node.strides[1])[0] if node.padding == "same" else 0
    for y, x in np.ndindex(node.shape[:2]):
        row, column = y * node.strides[0] - top, x * node.strides[1] - left
        rows = range(max(row, 0), min(row + node.window[0], height))
        columns = range(max(column, 0), min(column + node.window[1], width))
        yield y, x, np.stack([image[:, i, j] for i in rows for j in columns], axis=1)


@given(pools("max_pool"))
def test_max_pooling_takes_the_largest_of_every_window_and_padding_never_wins(case):
    node, image = case
    found = floats.compute(node, [image.astype(np.float32) - 200])
    whole = integers.compute(node, [image], [GRID])
    for y, x, pixels in windows(node, image):
        np.testing.assert_array_equal(found[:, y, x], pixels.max(axis=1) - np.float32(200))
        np.testing.assert_array_equal(whole[:, y, x], pixels.max(axis=1))
    assert whole.dtype == np.int8


@given(pools("average_pool"))
def test_average_pooling_leaves_padding_out_of_the_mean(case):
    node, image = case
    found = floats.compute(node, [image.astype(np.float32)])
    for y, x, pixels in windows(node, image):
        np.testing.assert_allclose(found[:, y, x], pixels.mean(axis=1), rtol=1e-5, atol=1e-4)


@given(pools("average_pool"))
def test_integer_average_pooling_rounds_the_mean_of_the_codes(case):
    node, image = case
    whole = integers.compute(node, [image], [GRID])
    for y, x, pixels in windows(node, image):
        mean = pixels.astype(np.float64).mean(axis=1)
        assert (np.abs(whole[:, y, x] - mean) <= 0.5 + 1e-4).all()


@given(st.tuples(*[st.integers(0, 3)] * 4))
def test_what_is_padded_and_cropped_by_the_same_is_as_before(sides):
    top, bottom, left, right = sides
    pads = ((top, bottom), (left, right))
    image = np.random.default_rng(0).integers(-128, 128, (2, 4, 5, 3)).astype(np.int8)
    pad = Node("pad", "pad", ("image",), (4 + top + bottom, 5 + left + right, 3), pads=pads, grid=GRID)
    crop = Node("crop", "crop", ("pad",), (4, 5, 3), pads=pads, grid=GRID)
    padded = integers.compute(pad, [image], [GRID])
    assert padded.shape[1:] == pad.shape
    np.testing.assert_array_equal(integers.compute(crop, [padded], [GRID]), image)
    real = floats.compute(crop, [floats.compute(pad, [image.astype(np.float32)])])
    np.testing.assert_array_equal(real, image)


def test_integer_padding_stands_for_zero():
    pad = Node("pad", "pad", ("image",), (2, 1, 1), pads=((0, 1), (0, 0)), grid=GRID)
    assert integers.compute(pad, [np.ones((1, 1, 1, 1), np.int8)], [GRID])[0, 1, 0, 0] == GRID.zero_point
