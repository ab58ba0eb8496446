"""Examples that are decoded once, one after the other, into a temporary file that is then mapped.

Whatever the size of a data set, memory holds one example of it. The file has no
name and is gone when the array is.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable

import numpy as np

from edgebuild.data.images import Bytes

__all__ = ["Spool", "spool"]


class Spool:
    """Takes examples of ``shape`` (height, width, channels), then gives them all."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.count = 0
        # In the folder for temporary files, which inside a stage lies beside its outputs, on disk.
        self._file = tempfile.TemporaryFile(prefix="edgebuild-")  # noqa: SIM115 (it outlives this call)
        weakref.finalize(self, self._file.close)

    def add(self, examples: Bytes) -> None:
        """Append one example, uint8 of the spool's shape, or several, ``(k, *shape)``.

        Raises:
            ValueError: they are of another shape or dtype.
        """
        batch = examples.reshape(-1, *self.shape) if examples.shape == self.shape else examples
        if batch.shape[1:] != self.shape or batch.dtype != np.uint8:
            raise ValueError(f"{examples.dtype} of shape {examples.shape} in a spool of {self.shape} bytes")
        self._file.write(np.ascontiguousarray(batch).data)
        self.count += len(batch)

    def done(self) -> Bytes:
        """All examples in order, uint8 ``(n, *shape)``, read-only and mapped; the spool takes no more."""
        with self._file as file:  # the map keeps what it needs
            file.flush()
            if self.count == 0:
                return np.zeros((0, *self.shape), np.uint8)
            return np.asarray(np.memmap(file, np.uint8, "r", 0, (self.count, *self.shape)))


def spool(shape: tuple[int, int, int], examples: Iterable[Bytes]) -> Bytes:
    """``examples``, one or several at a time, as one mapped array ``(n, *shape)``."""
    into = Spool(shape)
    for example in examples:
        into.add(example)
    return into.done()
