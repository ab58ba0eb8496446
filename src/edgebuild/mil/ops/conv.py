"""Convolution: dense, grouped and depthwise, over two axes, without dilation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Inputs, Operator, alone, array, integers, real
from edgebuild.mil.ops.window import Window, batch_first, batch_last, read_window
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

Real = npt.NDArray[np.float32]

#: Work is cut into pieces of about this many bytes, so that they stay in a core's cache.
_PIECE = 1 << 19

#: Input elements per output row up to which band matrices pay.
_BAND = 256


def conv(inputs: Inputs) -> Array:
    """``x`` (n, in, h, w), ``weight`` (out, in / groups, kh, kw), ``bias`` (out,) → (n, out, oh, ow).

    With one spatial axis the heights are left out.
    """
    rank = array(inputs, "x").ndim
    x, weight = batch_last(array(inputs, "x")), real(inputs, "weight")
    groups = integers(inputs, "groups", (1,))[0]
    if weight.ndim != rank or weight.shape[1] * groups != x.shape[0] or weight.shape[0] % groups:
        raise GraphError(
            f"weight of shape {weight.shape} in {groups} groups does not fit {x.shape[0]} channels"
        )
    if rank == 3:
        weight = weight[:, :, None]
    window = read_window(inputs, (x.shape[1], x.shape[2]), (weight.shape[2], weight.shape[3]), rank)
    out = np.empty((weight.shape[0], window.out[0], window.out[1], x.shape[3]), np.float32)
    padded = window.pad(x)
    if groups == weight.shape[0] == x.shape[0]:
        _depthwise(padded, weight[:, 0], window, out)
    else:
        for part, source, target in zip(
            np.split(weight, groups), np.split(padded, groups), np.split(out, groups), strict=True
        ):
            _dense(source, part, window, target)
    if "bias" in inputs:
        out += real(inputs, "bias").reshape(-1, 1, 1, 1)
    return batch_first(out, rank)


def _dense(padded: Real, weight: Real, window: Window, out: Real) -> None:
    """Unfold a few output rows at a time into columns, then one matrix product."""
    kernel = weight.reshape(weight.shape[0], -1)
    channels, (height, width) = padded.shape[0], window.size
    _, rows, columns, batch = out.shape
    if window.size == window.strides == (1, 1):
        np.matmul(kernel, padded.reshape(channels, -1), out=out.reshape(out.shape[0], -1))
        return
    step = max(1, _PIECE // (4 * kernel.shape[1] * columns * batch))
    for first in range(0, rows, step):
        last = min(first + step, rows)
        unfolded = np.empty((channels, height, width, last - first, columns, batch), np.float32)
        for row, column, seen in window.taps(padded, first, last):
            unfolded[:, row, column] = seen
        product = kernel @ unfolded.reshape(kernel.shape[1], -1)
        out[:, first:last] = product.reshape(-1, last - first, columns, batch)


def _depthwise(padded: Real, weight: Real, window: Window, out: Real) -> None:
    """One small kernel per channel, ``weight`` (channels, kh, kw).

    On narrow images by band matrices, which multiply some zeros and are still
    several times faster; but a zero times infinity would spread, so infinite
    inputs (float16 that overflowed) take the plain way.
    """
    if window.dilations == (1, 1) and np.isfinite(padded.sum()) and window.size[0] * padded.shape[2] <= _BAND:
        _banded(padded, weight, window, out)
    else:
        _shifted(padded, weight, window, out)


def _banded(padded: Real, weight: Real, window: Window, out: Real) -> None:
    """An output row is a band matrix times the ``kh`` input rows below it, which lie contiguous in memory."""
    (channels, rows, columns, batch), width = out.shape, padded.shape[2]
    band = np.zeros((channels, 1, columns, window.size[0], width), np.float32)
    places = np.arange(columns)
    for column in range(window.size[1]):
        band[:, 0, places, :, places * window.strides[1] + column] = weight[:, :, column]
    seen = np.lib.stride_tricks.as_strided(
        padded,
        (channels, rows, window.size[0] * width, batch),
        (padded.strides[0], window.strides[0] * padded.strides[1], *padded.strides[2:]),
        writeable=False,
    )
    np.matmul(band.reshape(channels, 1, columns, -1), seen, out=out)


def _shifted(padded: Real, weight: Real, window: Window, out: Real) -> None:
    """The sum of the shifted images, each times its tap's weight; a few channels at a time."""
    step = max(1, _PIECE // (4 * out[0].size))
    for first in range(0, out.shape[0], step):
        part = slice(first, first + step)
        target = out[part]
        product = np.empty_like(target)
        for row, column, seen in window.taps(padded[part]):
            taps = weight[part, row, column].reshape(-1, 1, 1, 1)
            if row == column == 0:
                np.multiply(seen, taps, out=target)
            else:
                target += np.multiply(seen, taps, out=product)


OPERATORS: Mapping[str, Operator] = {"conv": Operator(conv, alone)}
