"""Transposed convolution, which upsamples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.mil.ops.conv import conv
from edgebuild.mil.ops.signature import Inputs, Operator, alone, array, integers, real, text
from edgebuild.mil.ops.window import Pair, pair
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

Real = npt.NDArray[np.float32]


def conv_transpose(inputs: Inputs) -> Array:
    """The gradient of a convolution: ``weight`` (in, out / groups, kh, kw), as PyTorch's ConvTranspose2d.

    Zeros between the pixels of ``x`` and around them make it a convolution with
    the kernel turned around (Dumoulin, Visin 2016, section 4).
    """
    given, weight = real(inputs, "x"), real(inputs, "weight")
    rank, groups = given.ndim, integers(inputs, "groups", (1,))[0]
    if rank not in (3, 4) or weight.ndim != rank or weight.shape[0] != given.shape[1]:
        raise GraphError(f"weight of shape {weight.shape} does not fit x of shape {given.shape}")
    if rank == 3:
        given, weight = given[:, :, None], weight[:, :, None]
    strides, dilations = (
        pair(integers(inputs, key, (1,) * (rank - 2)), rank, 1) for key in ("strides", "dilations")
    )
    size = (weight.shape[2], weight.shape[3])
    before, after = _cut(inputs, (given.shape[2], given.shape[3]), size, strides, dilations, rank)
    spans = ((size[0] - 1) * dilations[0], (size[1] - 1) * dilations[1])
    margins = [(span - b, span - a) for span, b, a in zip(spans, before, after, strict=True)]
    wide = _spread(given, strides, margins)
    parts = [part.transpose(1, 0, 2, 3) for part in np.split(weight, groups)]
    turned = np.ascontiguousarray(np.concatenate(parts)[:, :, ::-1, ::-1])
    forward: dict[str, Array] = {"x": wide, "weight": turned, "dilations": np.array(dilations)}
    forward["groups"] = np.array(groups)
    if "bias" in inputs:
        forward["bias"] = array(inputs, "bias")
    result = conv(forward)
    return result if rank == 4 else result[:, :, 0]


def _spread(x: Real, strides: Pair, margins: list[Pair]) -> Real:
    """``x`` with ``strides - 1`` zeros between its pixels, and ``margins`` around them (negative: taken away)."""
    sizes = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], strides, strict=True)]
    (top, bottom), (left, right) = margins
    widths = [(max(before, 0), max(after, 0)) for before, after in margins]
    wide = np.zeros((*x.shape[:2], *sizes), np.float32)
    wide[:, :, :: strides[0], :: strides[1]] = x
    wide = np.pad(wide, ((0, 0), (0, 0), *widths))
    height, width = wide.shape[2:]
    return wide[:, :, max(-top, 0) : height + min(bottom, 0), max(-left, 0) : width + min(right, 0)]


def _cut(
    inputs: Inputs, image: Pair, size: Pair, strides: Pair, dilations: Pair, rank: int
) -> tuple[Pair, Pair]:
    """Pixels to take away (negative: to add) before and after each axis of the full result."""
    full = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(image, strides, size, dilations, strict=True)]
    kind, axes = text(inputs, "pad_type", "valid"), rank - 2
    before, after = (0, 0), (0, 0)
    if kind == "custom":
        flat = integers(inputs, "pad", (0,) * (2 * axes))
        before, after = pair(flat[::2], rank, 0), pair(flat[1::2], rank, 0)
    elif kind == "same":
        totals = [max(n - i * s, 0) for n, i, s in zip(full, image, strides, strict=True)]
        before = (totals[0] // 2, totals[1] // 2)
        after = (totals[0] - before[0], totals[1] - before[1])
    elif kind != "valid":
        raise GraphError(f"pad_type must be valid, same or custom, found {kind!r}")
    if "output_shape" in inputs:
        target = pair(integers(inputs, "output_shape")[2:], rank, 1)
        after = (full[0] - before[0] - target[0], full[1] - before[1] - target[1])
    return before, after


OPERATORS: Mapping[str, Operator] = {"conv_transpose": Operator(conv_transpose, alone)}
