"""What a model would cost with fewer channels, counted without making it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import numpy.typing as npt

from edgebuild.compress.channels.layout import Keep, Layout, Part

__all__ = ["channel_macs", "macs", "parameters"]


def macs(layout: Layout, keep: Keep | None = None) -> int:
    """Multiply-accumulates of convolutions and dense layers for one image.

    As :func:`edgebuild.graph.count.count` counts them; layers without a rule,
    which are never cut, count as none.
    """
    stays = layout.kept(keep or {})
    return sum(part.positions * _size(part, stays) for part in layout.parts)


def parameters(layout: Layout, keep: Keep | None = None) -> int:
    """Numbers in the weights that follow channels: kernels, biases, batch normalization."""
    stays = layout.kept(keep or {})
    return sum({id(part.weight): _size(part, stays) for part in layout.parts}.values())


def _size(part: Part, stays: npt.NDArray[np.bool_]) -> int:
    """Numbers in a weight whose axes hold the channels that stay."""
    shape = list(part.weight.shape)
    for axis, ids in part.axes:
        shape[axis] = int(np.count_nonzero(stays[ids]))
    return prod(shape)


def channel_macs(layout: Layout) -> Mapping[str, int]:
    """Group → the multiply-accumulates that go with one of its channels while all others stay."""
    whole = macs(layout)
    return {
        group.name: whole - macs(layout, {group.name: np.arange(1, group.size)}) if group.size > 1 else 0
        for group in layout.groups
    }
