"""LiteRT: load a .tflite file and run it with XNNPACK, LiteRT's CPU delegate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.formats.tflite_schema import serialize
from edgebuild.graph.ir import Graph

__all__ = ["LiteRTSession", "load", "unavailable_runtime", "write"]

Floats = npt.NDArray[np.float32]


def write(graph: Graph, path: Path) -> None:
    """Write ``graph`` as a .tflite file: input "image" (1, h, w, c), output "logits" (1, classes).

    The batch is 1 and can be resized. In int8 files the input and the output
    are int8 codes; the file holds their scale and zero point.
    """
    path.write_bytes(serialize(graph))


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

    def _open(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(model_path=str(self._path), num_threads=self._threads)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise DataError(f"LiteRT refuses {self._path}: {error}") from None
        return interpreter

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 ``(n, classes)``; one inference per image, as on the device."""
        source, target = self._ends()
        stored = _encode(images, source)
        logits = []
        for index in range(len(images)):
            self._interpreter.set_tensor(source["index"], stored[index : index + 1])
            self._interpreter.invoke()
            logits.append(self._interpreter.get_tensor(target["index"]))
        return _decode(np.concatenate(logits), target)

    def bind(self, image: Floats) -> Callable[[], object]:
        """A call that copies ``image`` in, executes it, and copies the result out."""
        source, target = self._ends()
        stored = _encode(image, source)
        interpreter = self._interpreter

        def call() -> object:
            interpreter.set_tensor(source["index"], stored)
            interpreter.invoke()
            return interpreter.get_tensor(target["index"])

        return call

    def _ends(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]


def _encode(images: Floats, tensor: dict[str, Any]) -> npt.NDArray[np.generic]:
    if tensor["dtype"] is np.float32:
        return np.ascontiguousarray(images, np.float32)
    scale, zero_point = tensor["quantization"]
    return np.asarray(np.clip(np.rint(images / np.float32(scale)) + zero_point, -128, 127), np.int8)


def _decode(values: npt.NDArray[np.generic], tensor: dict[str, Any]) -> Floats:
    if tensor["dtype"] is np.float32:
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
