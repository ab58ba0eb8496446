"""Any Core ML program behind ``predict``: Apple's runtime on macOS, elsewhere the evaluator of :mod:`edgebuild.mil`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgebuild import mil
from edgebuild.errors import DataError
from edgebuild.formats.coreml_session import open_coremltools, quietly, unavailable_runtime
from edgebuild.mlflow.serving.tensors import OPEN, Array, Tensor, feeds, opened, runs, together

__all__ = ["APPLE", "EVALUATOR", "CoreMLModel"]

#: What computes the predictions.
APPLE = "Core ML"
EVALUATOR = "evaluator of the saved program in numpy"

#: Samples that the evaluator computes at once (64 fit the cache).
TOGETHER = 64

#: What callers see of float16: JSON and most of numpy know float32 better, and it holds the same numbers.
_SHOWN = {"float16": "float32"}

_logger = logging.getLogger(__name__)

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


class CoreMLModel:
    """A loaded package. ``predict`` may be called from several threads.

    Attributes:
        runtime: :data:`APPLE` or :data:`EVALUATOR`.
        notice: what a caller should know of the evaluator's predictions; None on Apple's runtime.
        inputs, outputs: of the file's own layout; axis 0 is open where it is 1 everywhere.
    """

    def __init__(self, path: str | Path) -> None:
        """Load the package at ``path``.

        Raises:
            DataError: the package is damaged, or Core ML refuses it.
            GraphError: it holds an operation that cannot be evaluated here.
        """
        path = Path(path)
        function = mil.read(path).main
        kinds = {name: kind for item in function.operations for name, kind in item.outputs} | dict(
            function.inputs
        )
        inputs = tuple(_tensor(name, kind) for name, kind in function.inputs.items())
        outputs = tuple(_tensor(name, kinds[name]) for name in function.outputs)
        open_inputs, open_outputs = opened(inputs), opened(outputs)
        if open_inputs is None or open_outputs is None:
            open_inputs, open_outputs = inputs, outputs
        self.inputs, self.outputs = open_inputs, open_outputs
        self.notice: str | None = None
        missing = unavailable_runtime()
        if missing is None:
            self.runtime, self._size, self._run = APPLE, 1, _apple(path)
        else:
            self.runtime, self._size, self._run = EVALUATOR, TOGETHER, _evaluator(function)
            self.notice = (
                f"{missing}; predictions of {path.name} come from the {EVALUATOR}: "
                "what its mathematics say, not Apple's rounding or speed"
            )

    def predict(self, given: Array | Mapping[str, Array]) -> Array | dict[str, Array]:
        """Outputs for ``given``: an array where the program has one output, arrays by name where it has more.

        Raises:
            UsageError: ``given`` is not what the program takes.
        """
        found = feeds(given, self.inputs)
        parts = [self._run(part) for part in runs(found, self.inputs, self._size)]
        return together([{item.name: part[item.name] for item in self.outputs} for part in parts])


def _tensor(name: str, kind: mil.TensorType) -> Tensor:
    shape = tuple(OPEN if size < 0 else size for size in kind.shape)
    return Tensor(name, _SHOWN.get(kind.dtype, kind.dtype), shape)


def _evaluator(function: mil.Function) -> Run:
    """Runs share nothing that they write to: no lock is needed."""
    prepared = mil.plan(function)
    return lambda found: mil.run(prepared, found)


def _apple(path: Path) -> Run:
    """One sample at a time, one call at a time: Apple promises no more for one MLModel."""
    with quietly():
        ct = open_coremltools()
        try:
            model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit.CPU_ONLY)
        except (ValueError, RuntimeError, OSError) as error:
            raise DataError(
                f"{path.name}: Core ML cannot load it: {error}; export it again, or update macOS"
            ) from error
    lock = threading.Lock()

    def run(found: Mapping[str, Array]) -> Mapping[str, Array]:
        with lock:
            result: Mapping[str, Any] = model.predict(dict(found))
        return {name: np.asarray(value) for name, value in result.items()}

    return run


def _load_pyfunc(path: str) -> CoreMLModel:
    """Called by MLflow. A server's log says what its predictions are."""
    model = CoreMLModel(path)
    if model.notice is not None:
        _logger.warning(model.notice)
    return model
