"""Images that need not be in memory: what every array of them offers, and how to walk over one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Bytes", "Images", "Indices", "Labels", "Selection", "chunks", "rows_of"]

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
#: int64 (n,): classes, or 0 and 1 for normal and anomaly; int64 (n, classes) of 0 and 1: multi-label;
#: float32 (n, targets): regression
Labels = npt.NDArray[Any]

#: bytes that are handled at a time, so that no size of a data set shows in memory
CHUNK = 16 * 2**20


class Images(Protocol):
    """uint8 ``(n, height, width, channels)``: an array, a memory map, or anything that makes images when asked."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[np.uint8]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: Indices, /) -> Bytes:
        """The images with these numbers, in this order."""


@dataclass(frozen=True)
class Selection:
    """Some of ``images`` in a given order, fetched when asked for."""

    images: Images
    indices: Indices

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.indices), *self.images.shape[1:])

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        return self.images.dtype

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, chosen: Indices, /) -> Bytes:
        return self.images[self.indices[chosen]]


def chunks(images: Images, rows: int = 0) -> Iterator[Bytes]:
    """All images in order, some at a time: ``rows`` of them, or what fits into 16 MiB."""
    rows = rows or rows_of(images.shape)
    for start in range(0, len(images), rows):
        stop = min(start + rows, len(images))
        # Of an array a view, which costs nothing; of anything else what it makes of the numbers.
        yield images[start:stop] if isinstance(images, np.ndarray) else images[np.arange(start, stop)]


def rows_of(shape: tuple[int, ...], size: int = CHUNK) -> int:
    """How many images of ``shape[1:]`` bytes fit into ``size`` bytes, at least one."""
    return max(1, size // max(1, prod(shape[1:])))
