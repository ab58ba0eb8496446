"""Which weights of a Keras model belong to which channels: what analysis finds and surgery needs.

Every channel that a layer of the model produces has a number of its own. An
axis of a tensor or of a weight is described by the number of the channel that
each of its entries belongs to: concatenation joins such arrays, flattening
repeats them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ChannelGroup", "Ids", "Keep", "Layout", "Part", "Width"]

#: Numbers of channels, int64 (n,).
Ids = npt.NDArray[np.int64]

#: Group → the channels that stay, as indices into ``ChannelGroup.channels``, rising. A group left out stays whole.
Keep = Mapping[str, Ids]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that the same layers make, so that cutting one changes the width of each of these layers.

    ``channels[i]`` are the numbers of what must go together: one number where
    one convolution makes the channel, several where a sum or a product joins
    channels of several layers.
    """

    name: str
    layers: tuple[str, ...]
    channels: tuple[Ids, ...]

    @property
    def size(self) -> int:
        return len(self.channels)


@dataclass(frozen=True)
class Part:
    """One weight as one call of its layer uses it.

    ``reads`` and ``makes`` are each an axis of the weight and the channel of
    every entry along it: those of the layer's input, and those it computes.
    ``positions`` is how often a kernel is applied to one image: the size of the
    output map; 0 for what is not a kernel.
    """

    layer: str
    role: str  # kernel, bias, gamma, beta or moving
    weight: Any  # a Keras variable
    reads: tuple[int, Ids] | None
    makes: tuple[int, Ids] | None
    positions: int = 0

    @property
    def axes(self) -> tuple[tuple[int, Ids], ...]:
        """Each axis that follows channels, with them."""
        return tuple(axis for axis in (self.reads, self.makes) if axis is not None)


@dataclass(frozen=True)
class Width:
    """A setting of a layer that counts channels: ``filters``, ``units``, or the last of ``target_shape``."""

    layer: str
    setting: str
    channels: Ids


@dataclass(frozen=True)
class Layout:
    """The channels of one model.

    ``groups`` holds what may be cut. ``pinned`` names the layers that keep
    others from being cut, and why; the model's input and output, which are
    never cut, are not listed. ``normalized`` are the layers that only a batch
    normalization with a ``gamma`` reads.
    """

    count: int
    groups: tuple[ChannelGroup, ...]
    parts: tuple[Part, ...]
    widths: tuple[Width, ...]
    pinned: Mapping[str, str]
    normalized: frozenset[str]

    def kept(self, keep: Keep) -> npt.NDArray[np.bool_]:
        """Whether each channel stays, bool ``(count,)``.

        Raises:
            ValueError: ``keep`` names no group of this model, or leaves one empty.
        """
        unknown = keep.keys() - {group.name for group in self.groups}
        if unknown:
            raise ValueError(f"keep must name groups of this model, but {sorted(unknown)} are none")
        stays = np.ones(self.count, np.bool_)
        for group in self.groups:
            left = keep.get(group.name, np.arange(group.size))
            if not len(left):
                raise ValueError(f"group {group.name!r} must keep a channel; give it at least one index")
            for index in np.setdiff1d(np.arange(group.size), left):
                stays[group.channels[index]] = False
        return stays
