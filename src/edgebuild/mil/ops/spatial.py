"""Operations that add, take away or exchange pixels: pad, crop, tile, depth to space and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.ops.signature import Call, Inputs, Operator, alone, array, integers, never, text
from edgebuild.mil.program import Array

__all__ = ["OPERATORS"]

#: MIL's padding modes → numpy's.
_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


def pad(inputs: Inputs) -> Array:
    """``pad`` holds how much to add before and after each of the last axes."""
    x, widths = array(inputs, "x"), _widths(inputs, array(inputs, "x").ndim)
    mode = text(inputs, "mode", "constant")
    if mode not in _MODES:
        raise GraphError(f"parameter mode must be one of {', '.join(_MODES)}, found {mode!r}")
    if min(min(pair) for pair in widths) < 0:
        raise GraphError(f"padding must not be negative, found {widths}")
    if mode == "constant":
        value = array(inputs, "constant_val").astype(x.dtype) if "constant_val" in inputs else 0
        return np.pad(x, widths, constant_values=value)
    if any(max(pair) > size - (mode == "reflect") for pair, size in zip(widths, x.shape, strict=True)):
        raise GraphError(f"{mode} padding of {widths} is larger than the tensor of {x.shape}")
    return np.pad(x, widths, mode="reflect" if mode == "reflect" else "edge")


def crop(inputs: Inputs) -> Array:
    """The last two axes without ``crop_height`` and ``crop_width`` pixels at either end."""
    x = array(inputs, "x")
    (top, bottom), (left, right) = integers(inputs, "crop_height"), integers(inputs, "crop_width")
    height, width = x.shape[-2:]
    if min(top, bottom, left, right) < 0 or top + bottom >= height or left + right >= width:
        raise GraphError(f"nothing is left of {height}x{width} pixels")
    return x[..., top : height - bottom, left : width - right]


def tile(inputs: Inputs) -> Array:
    """``x`` repeated ``reps`` times along each axis."""
    x, times = array(inputs, "x"), integers(inputs, "reps")
    if len(times) != x.ndim:
        raise GraphError(f"x of shape {x.shape} needs as many reps, found {times}")
    return np.tile(x, times)


def depth_to_space(inputs: Inputs) -> Array:
    """Channels become blocks of pixels; the block is the slowest part of the channel (TensorFlow's order)."""
    x, block = _image(inputs), integers(inputs, "block_size")[0]
    n, c, h, w = x.shape
    _divides(block**2, c)
    parts = x.reshape(n, block, block, c // block**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // block**2, h * block, w * block)


def space_to_depth(inputs: Inputs) -> Array:
    """The inverse of :func:`depth_to_space`."""
    x, block = _image(inputs), integers(inputs, "block_size")[0]
    n, c, h, w = x.shape
    _divides(block, h, w)
    parts = x.reshape(n, c, h // block, block, w // block, block).transpose(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * block**2, h // block, w // block)


def pixel_shuffle(inputs: Inputs) -> Array:
    """Channels become blocks of pixels; the block is the fastest part of the channel (PyTorch's order)."""
    x, factor = _image(inputs), integers(inputs, "upscale_factor")[0]
    n, c, h, w = x.shape
    _divides(factor**2, c)
    parts = x.reshape(n, c // factor**2, factor, factor, h, w).transpose(0, 1, 4, 2, 5, 3)
    return parts.reshape(n, c // factor**2, h * factor, w * factor)


def pixel_unshuffle(inputs: Inputs) -> Array:
    """The inverse of :func:`pixel_shuffle`."""
    x, factor = _image(inputs), integers(inputs, "downscale_factor")[0]
    n, c, h, w = x.shape
    _divides(factor, h, w)
    parts = x.reshape(n, c, h // factor, factor, w // factor, factor).transpose(0, 1, 3, 5, 2, 4)
    return parts.reshape(n, c * factor**2, h // factor, w // factor)


def space_to_batch(inputs: Inputs) -> Array:
    """Every ``block_shape``-th pixel of the padded image makes an image of its own (TensorFlow's order)."""
    x, (down, across) = _image(inputs), integers(inputs, "block_shape")
    top, bottom, left, right = integers(inputs, "paddings")
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    n, c, h, w = padded.shape
    _divides(down, h)
    _divides(across, w)
    parts = padded.reshape(n, c, h // down, down, w // across, across).transpose(3, 5, 0, 1, 2, 4)
    return parts.reshape(down * across * n, c, h // down, w // across)


def batch_to_space(inputs: Inputs) -> Array:
    """The inverse of :func:`space_to_batch`; ``crops`` takes the padding away."""
    x, (down, across) = _image(inputs), integers(inputs, "block_shape")
    top, bottom, left, right = integers(inputs, "crops")
    n, c, h, w = x.shape
    _divides(down * across, n)
    parts = x.reshape(down, across, n // (down * across), c, h, w).transpose(2, 3, 4, 0, 5, 1)
    whole = parts.reshape(n // (down * across), c, h * down, w * across)
    return whole[:, :, top : h * down - bottom, left : w * across - right]


def _widths(inputs: Inputs, rank: int) -> list[tuple[int, int]]:
    """Elements before and after every axis."""
    flat = integers(inputs, "pad")
    if len(flat) % 2 or len(flat) > 2 * rank:
        raise GraphError(f"pad must hold two numbers for each of at most {rank} axes, found {flat}")
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    return [(0, 0)] * (rank - len(pairs)) + pairs


def _image(inputs: Inputs) -> Array:
    x = array(inputs, "x")
    if x.ndim != 4:
        raise GraphError(f"parameter x must be an image of rank 4, found shape {x.shape}")
    return x


def _divides(block: int, *sizes: int) -> None:
    if block < 1 or any(size % block for size in sizes):
        raise GraphError(f"{sizes} cannot be divided by {block}")


def _batch_pad(call: Call) -> str | None:
    reason = alone(call)
    if reason is None and any(_widths(call.constants, len(call.output.shape))[0]):
        return "axis 0 is padded"
    return reason


def _batch_tile(call: Call) -> str | None:
    return alone(call) or ("axis 0 is repeated" if integers(call.constants, "reps")[0] != 1 else None)


OPERATORS: Mapping[str, Operator] = {
    "pad": Operator(pad, _batch_pad),
    "crop": Operator(crop, alone),
    "tile": Operator(tile, _batch_tile),
    "depth_to_space": Operator(depth_to_space, alone),
    "space_to_depth": Operator(space_to_depth, alone),
    "pixel_shuffle": Operator(pixel_shuffle, alone),
    "pixel_unshuffle": Operator(pixel_unshuffle, alone),
    "space_to_batch": Operator(space_to_batch, never),
    "batch_to_space": Operator(batch_to_space, never),
}
