"""A teacher is any file that gives logits: .keras, .onnx or .tflite, whoever wrote it, run by its own runtime.

Apart from the exporters on purpose: they know their own files only, and a
change of theirs must not train a student again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError, UsageError
from edgebuild.formats import keras as keras_format
from edgebuild.train.loop import Inference, inference

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["Teacher", "open_teacher"]

Floats = npt.NDArray[np.float32]
#: real images, float32 (n, h, w, c) → what the file answers, (n, classes)
Ask = Callable[[Floats], npt.NDArray[np.generic]]

BATCH = 256


@dataclass(frozen=True)
class Teacher:
    """Called with stored images, uint8 ``(n, h, w, c)``, it gives logits, float32 ``(n, classes)``.

    ``model`` is the Keras model, for those who look inside; other files have none.
    """

    ask: Inference
    model: Any = None

    def __call__(self, images: npt.NDArray[np.uint8]) -> Floats:
        return self.ask(images)


def open_teacher(
    tf: Any,
    keras: Any,
    path: Path,
    *,
    task: Task,
    scale: float,
    shape: tuple[int, int, int],
    classes: Sequence[str],
    threads: int,
) -> Teacher:
    """The teacher in ``path``, for images of ``shape``.

    It sees real images, ``stored · scale``. What it gives is brought into the
    form of the task's outputs: the probabilities of a softmax become logits.

    Raises:
        UsageError: a file of another kind.
        DataError: the file is missing or refused by its runtime, takes other
            images, or answers with something else than the task's outputs.
    """
    runtimes = {".onnx": _open_onnx, ".tflite": _open_tflite}
    if path.suffix != ".keras" and path.suffix not in runtimes:
        known = ", ".join((".keras", *runtimes))
        raise UsageError(f"distill.teacher: {path.name} must be a file of one of {known}; export it as such")
    if not path.is_file():
        raise DataError(f"{path} does not exist; correct distill.teacher, or make it with dvc repro")
    model = keras_format.load_model(keras, path) if path.suffix == ".keras" else None
    if model is not None:
        infer = inference(tf, model, scale)
    else:
        infer = _batched(runtimes[path.suffix](path, shape, threads), scale)

    outputs = task.outputs(shape, classes)

    def ask(images: npt.NDArray[np.uint8]) -> Floats:
        answers = np.asarray(infer(images), np.float32)
        if answers.shape != (len(images), outputs) or not np.isfinite(answers).all():
            raise DataError(
                f"the teacher {path.name} must give {outputs} finite numbers per image for this {task.kind}, but for "
                f"{len(images)} images it gives {'' if np.isfinite(answers).all() else 'non-finite '}"
                f"numbers of shape {answers.shape}; was it trained on other classes?"
            )
        return np.asarray(task.as_outputs(answers), np.float32)

    return Teacher(ask, model)


def _batched(ask: Ask, scale: float) -> Inference:
    def infer(images: npt.NDArray[np.uint8]) -> Floats:
        parts = [
            ask(images[start : start + BATCH].astype(np.float32) * np.float32(scale))
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate(parts).astype(np.float32)

    return infer


def _open_onnx(path: Path, shape: tuple[int, int, int], threads: int) -> Ask:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (errors.Fail, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented) as error:
        raise DataError(f"ONNX Runtime refuses {path}: {error}") from None
    image = session.get_inputs()[0]
    height, width, channels = shape
    layouts = {(height, width, channels): (0, 1, 2, 3), (channels, height, width): (0, 3, 1, 2)}
    order = layouts.get(tuple(image.shape[1:]))
    if order is None or image.type != "tensor(float)":
        raise DataError(
            f"the teacher {path.name} must take float images of {height}×{width} with {channels} channel(s), last or "
            f"first, but it takes {image.type}{list(image.shape)}; export it for this data"
        )
    single = image.shape[0] == 1

    def ask(images: Floats) -> npt.NDArray[np.generic]:
        fed = np.ascontiguousarray(images.transpose(order))
        batches = np.split(fed, len(fed)) if single else [fed]
        return np.concatenate([session.run(None, {image.name: batch})[0] for batch in batches])

    return ask


def _open_tflite(path: Path, shape: tuple[int, int, int], threads: int) -> Ask:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise DataError(f"LiteRT refuses {path}: {error}") from None
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if tuple(source["shape"][1:]) != shape:
        raise DataError(
            f"the teacher {path.name} must take images of shape {shape}, but it takes "
            f"{tuple(map(int, source['shape'][1:]))}; export it for this data"
        )

    def ask(images: Floats) -> npt.NDArray[np.generic]:
        answers = []
        for image in images:
            interpreter.set_tensor(source["index"], _stored(image[None], source))
            interpreter.invoke()
            answers.append(_real(interpreter.get_tensor(target["index"]), target))
        return np.concatenate(answers)

    return ask


def _stored(values: Floats, tensor: dict[str, Any]) -> npt.NDArray[np.generic]:
    if tensor["dtype"] is np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    codes = np.clip(np.rint(values / np.float32(scale)) + zero_point, limits.min, limits.max)
    return np.asarray(codes, tensor["dtype"])


def _real(values: npt.NDArray[np.generic], tensor: dict[str, Any]) -> Floats:
    if tensor["dtype"] is np.float32:
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
