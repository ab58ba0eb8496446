"""LiteRT: write a graph as a .tflite file, run it with XNNPACK, LiteRT's CPU delegate."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.graph.ir import Graph

__all__ = ["LiteRTSession", "load", "unavailable_runtime", "write"]

Floats = npt.NDArray[np.float32]
Stored = npt.NDArray[np.generic]

#: Images computed together. More gain little, and nothing where a network's maps leave the cache.
BATCH = 8
#: Images that are computed both ways before the rest is computed together.
CHECKED = 32


def write(graph: Graph, path: Path, *, flexible: bool = False) -> None:
    """Write ``graph``: input "image" float32 (1, h, w, c), output "logits" float32 (1, classes).

    ``flexible`` leaves the batch open: shape signature (-1, h, w, c). Labels and
    the normalization of pixels lie in the file's metadata, where MediaPipe reads
    them.

    Raises:
        GraphError: a label is more than one line.
    """
    from edgebuild.formats.tflite import serialize

    path.write_bytes(serialize(graph, flexible))


def load(path: Path, threads: int) -> LiteRTSession:
    """Load ``path``.

    Raises:
        DataError: the file is missing or LiteRT refuses it.
    """
    return LiteRTSession(path, threads)


def unavailable_runtime() -> str | None:
    """LiteRT runs wherever edgebuild does."""
    return None


class LiteRTSession:
    """One file in LiteRT's interpreter."""

    def __init__(self, path: Path, threads: int) -> None:
        if not path.is_file():
            raise DataError(f"{path} does not exist; run dvc repro")
        self._path, self._threads = path, threads
        self._interpreter = self._open()
        self._batches: bool | None = None  # may images be computed together? None: not tried yet

    def _open(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _native_stderr_unseen():
                interpreter = Interpreter(model_path=str(self._path), num_threads=self._threads)
                interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise DataError(f"LiteRT refuses {self._path}: {error}") from None
        return interpreter

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 ``(n, classes)``: those that one inference per image gives.

        Several images are computed together, which on small networks is up to
        ten times faster, if this file gives the same bits for :data:`CHECKED`
        of the images as it does one by one.
        """
        source, target = self._ends()
        stored = _encode(images, source)
        first, rest = stored[:CHECKED], stored[CHECKED:]
        parts = [self._run(first, 1)]
        if len(rest) and self._batches is None:
            self._batches = self._equals(first, parts[0])
        if len(rest):
            parts.append(self._run(rest, BATCH if self._batches else 1))
        self._resize(1)
        return _decode(np.concatenate(parts), target)

    def bind(self, image: Floats) -> Callable[[], object]:
        """A call that copies ``image`` in, executes it, and copies the result out."""
        self._resize(len(image))
        source, target = self._ends()
        stored = _encode(image, source)
        interpreter = self._interpreter

        def call() -> object:
            interpreter.set_tensor(source["index"], stored)
            interpreter.invoke()
            return interpreter.get_tensor(target["index"])

        return call

    def _equals(self, stored: Stored, expected: Stored) -> bool:
        """Does the file give the bits ``expected`` for ``stored`` in batches, too?"""
        try:
            return np.array_equal(self._run(stored, BATCH), expected)
        except (RuntimeError, ValueError):  # an operator of this file insists on a batch of 1
            self._interpreter = self._open()
            return False

    def _run(self, stored: Stored, size: int) -> Stored:
        """What the file gives for ``stored``, ``size`` of them at once; zeros fill up the last batch."""
        self._resize(size)
        (source, target), interpreter = self._ends(), self._interpreter
        found = []
        for start in range(0, len(stored), size):
            batch = stored[start : start + size]
            if len(batch) < size:
                batch = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)])
            interpreter.set_tensor(source["index"], batch)
            interpreter.invoke()
            found.append(interpreter.get_tensor(target["index"]))
        return np.concatenate(found)[: len(stored)]

    def _resize(self, size: int) -> None:
        source = self._ends()[0]
        if source["shape"][0] != size:
            self._interpreter.resize_tensor_input(source["index"], [size, *source["shape"][1:]])
            self._interpreter.allocate_tensors()

    def _ends(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]


def _encode(images: Floats, tensor: dict[str, Any]) -> Stored:
    if tensor["dtype"] is np.float32:
        return np.ascontiguousarray(images, np.float32)
    scale, zero_point = tensor["quantization"]
    return np.asarray(np.clip(np.rint(images / np.float32(scale)) + zero_point, -128, 127), np.int8)


def _decode(values: Stored, tensor: dict[str, Any]) -> Floats:
    if tensor["dtype"] is np.float32:
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


@contextmanager
def _native_stderr_unseen() -> Iterator[None]:
    """LiteRT greets every file on file descriptor 2 and has no setting for it; failures come as exceptions."""
    sys.stderr.flush()
    before = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
