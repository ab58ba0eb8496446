"""Any .tflite file behind ``predict``, in LiteRT's interpreter with XNNPACK. No TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edgebuild.errors import DataError, GraphError, UsageError
from edgebuild.mlflow.serving.tensors import OPEN, Array, Tensor, feeds, opened, runs, together

__all__ = ["LiteRTModel"]

#: Samples that a file with an open batch computes at once, at most.
TOGETHER = 64


class LiteRTModel:
    """A loaded file. ``predict`` may be called from several threads.

    An interpreter computes one call at a time. A call takes an idle one, or opens another, so
    there are as many as there were calls at once: a server's threads do not wait for each other.

    Attributes:
        inputs, outputs: axis 0 is open where the file's is, or is 1 everywhere: then samples
            are computed one by one, and every answer is that of a single inference.
        input_details, output_details: what LiteRT's interpreter says, quantization included.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        """``threads`` compute one call.

        Raises:
            DataError: the file is missing or LiteRT refuses it.
            GraphError: a tensor is of a type that numpy does not have.
            UsageError: ``threads`` is less than one.
        """
        if threads < 1:
            raise UsageError(f"threads must be one or more, found {threads}")
        self._path, self._threads = Path(path), threads
        interpreter = self._open()
        self.input_details: Sequence[Mapping[str, Any]] = interpreter.get_input_details()
        self.output_details: Sequence[Mapping[str, Any]] = interpreter.get_output_details()
        names = _signature_names(interpreter)
        inputs = tuple(self._tensor(item, names) for item in self.input_details)
        outputs = tuple(self._tensor(item, names) for item in self.output_details)
        open_inputs, open_outputs = opened(inputs), opened(outputs)
        if open_inputs is None or open_outputs is None:
            open_inputs, open_outputs = inputs, outputs
        self.inputs, self.outputs = open_inputs, open_outputs
        self._size = TOGETHER if all(tensor.shape[:1] == (OPEN,) for tensor in inputs) else 1
        self._idle = [interpreter]

    def predict(self, given: Array | Mapping[str, Array]) -> Array | dict[str, Array]:
        """Outputs for ``given``: an array where the file has one output, arrays by name where it has more.

        Raises:
            UsageError: ``given`` is not what the file takes.
        """
        found = feeds(given, self.inputs)
        with self._interpreter() as interpreter:
            return together([self._run(interpreter, part) for part in runs(found, self.inputs, self._size)])

    @contextmanager
    def _interpreter(self) -> Iterator[Interpreter]:
        try:
            interpreter = self._idle.pop()  # atomic, as append is
        except IndexError:
            interpreter = self._open()
        yield interpreter
        self._idle.append(interpreter)  # not reached by one that failed

    def _run(self, interpreter: Interpreter, found: Mapping[str, Array]) -> dict[str, Array]:
        pairs = list(zip(interpreter.get_input_details(), self.inputs, strict=True))
        resized = False
        for details, tensor in pairs:
            if tuple(details["shape"]) != found[tensor.name].shape:
                shape = list(found[tensor.name].shape)
                interpreter.resize_tensor_input(details["index"], shape, strict=True)
                resized = True
        if resized:
            interpreter.allocate_tensors()
        for details, tensor in pairs:
            interpreter.set_tensor(details["index"], found[tensor.name])
        interpreter.invoke()
        return {
            tensor.name: interpreter.get_tensor(details["index"])
            for details, tensor in zip(self.output_details, self.outputs, strict=True)
        }

    def _open(self) -> Interpreter:
        if not self._path.is_file():
            raise DataError(f"{self._path} does not exist; log the model again")
        try:
            interpreter = Interpreter(model_path=str(self._path), num_threads=self._threads)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise DataError(f"LiteRT refuses {self._path.name}: {error}") from None
        return interpreter

    def _tensor(self, details: Mapping[str, Any], names: Mapping[int, str]) -> Tensor:
        name, dtype = names.get(details["index"], details["name"]), np.dtype(details["dtype"])
        if dtype.kind not in "fiub":
            raise GraphError(
                f"{self._path.name}: tensor {name!r} must hold numbers or truth values, found {dtype.name}"
            )
        scale, zero_point = details["quantization"]
        shape = tuple(int(size) for size in details["shape_signature"])
        return Tensor(name, dtype.name, shape, (float(scale), int(zero_point)) if scale else None)


def _signature_names(interpreter: Interpreter) -> dict[int, str]:
    """Index of a tensor → the name of the argument or result that it is in the file's only signature.

    TensorFlow's converter writes signatures, with the names that a person chose; its tensors
    are called like ``serving_default_image:0``.
    """
    signatures = list(interpreter.get_signature_list())
    if len(signatures) != 1:
        return {}
    runner = interpreter.get_signature_runner(signatures[0])
    ends = {**runner.get_input_details(), **runner.get_output_details()}
    return {int(details["index"]): str(name) for name, details in ends.items()}


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> LiteRTModel:
    """Called by MLflow; ``model_config`` may hold ``threads``."""
    return LiteRTModel(path, **(model_config or {}))
