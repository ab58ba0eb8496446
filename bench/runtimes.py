"""Run any tool's file: edgebuild's own sessions know the names and the layout that edgebuild writes.

As a script it is the timed child of :func:`edgebuild.measure.isolated.run`, so
that every file, ours or a vendor's, is called through the same lines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError, UsageError
from edgebuild.formats.registry import Session, open_format
from edgebuild.measure import isolated

__all__ = ["SCRIPT", "Runtime", "find"]

Floats = npt.NDArray[np.float32]

#: What starts a timed child.
SCRIPT = (sys.executable, str(Path(__file__).resolve()))
#: Images evaluated at once where the file allows it.
CHUNK = 64


class Runtime:
    """What a format needs to be run and timed; see :class:`edgebuild.formats.registry.Format`."""

    def __init__(self, load: Callable[[Path, int], Session], unavailable: Callable[[], str | None]) -> None:
        self.load = load
        self.unavailable_runtime = unavailable


class ONNXFile:
    """An .onnx file with one input, (batch, h, w, c) or (batch, c, h, w), and one output."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (self._input,), (self._output,) = self._session.get_inputs(), self._session.get_outputs()

    def predict(self, images: Floats) -> Floats:
        step = 1 if self._input.shape[0] == 1 else CHUNK
        parts = [self.bind(images[start : start + step])() for start in range(0, len(images), step)]
        return np.concatenate(parts)

    def bind(self, image: Floats) -> Callable[[], Any]:
        feed = {self._input.name: _laid_out(image, self._input.shape[1:])}
        names, session = [self._output.name], self._session
        return lambda: session.run(names, feed)[0]


class CoreMLFile:
    """An ML Program with one image and one output, evaluated from its bytes by :mod:`edgebuild.mil`."""

    def __init__(self, path: Path, _threads: int) -> None:
        from edgebuild import mil

        self._mil = mil
        self._plan = mil.plan(mil.read(path).main)
        ((self._name, self._type),) = self._plan.inputs.items()

    def predict(self, images: Floats) -> Floats:
        given = _laid_out(images, self._type.shape[1:])
        parts = [self._run(given[start : start + CHUNK]) for start in range(0, len(given), CHUNK)]
        return np.concatenate(parts).astype(np.float32)

    def bind(self, image: Floats) -> Callable[[], object]:
        raise GraphError("numpy's evaluation of a Core ML file says nothing about its speed on a device")

    def _run(self, images: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return self._mil.run(self._plan, {self._name: images})[self._plan.outputs[0]]


def find(name: str) -> Runtime:
    """The runtime of format ``name``.

    Raises:
        UsageError: no such format.
    """
    if name not in _RUNTIMES:
        raise UsageError(f"format {name!r} is not one of {', '.join(_RUNTIMES)}")
    return _RUNTIMES[name]


def _laid_out(images: Floats, shape: tuple[Any, ...] | list[Any]) -> Floats:
    """``images`` with their channels where an input of ``shape`` has them."""
    for order in ((0, 1, 2, 3), (0, 3, 1, 2)):
        turned = images.transpose(order)
        if list(turned.shape[1:]) == list(shape):
            return np.ascontiguousarray(turned)
    raise GraphError(f"images of {images.shape[1:]} do not fit an input of {tuple(shape)}")


def _coreml_unavailable() -> str | None:
    return open_format("coreml").unavailable_runtime() or "this comparison times LiteRT and ONNX Runtime only"


def _available() -> None:
    return None


_RUNTIMES = {
    "litert": Runtime(lambda path, threads: open_format("litert").load(path, threads), _available),
    "onnx": Runtime(ONNXFile, _available),
    "coreml": Runtime(CoreMLFile, _coreml_unavailable),
}

if __name__ == "__main__":
    sys.exit(isolated.main(find=find))  # type: ignore[arg-type]  # a Runtime is a Format, by structure
