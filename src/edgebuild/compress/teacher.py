"""A teacher is any file that gives logits: .keras, .onnx, .tflite or a SavedModel, run by its own runtime.

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

from edgebuild.data.images import rows_of
from edgebuild.errors import DataError, UsageError
from edgebuild.formats import keras as keras_format
from edgebuild.importers.quiet import native_stderr_dropped
from edgebuild.train.loop import Inference, inference

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["KINDS", "Teacher", "kind_of", "open_file", "open_teacher"]

Floats = npt.NDArray[np.float32]
#: real images, float32 (n, h, w, c) → what the file answers, (n, classes)
Ask = Callable[[Floats], npt.NDArray[np.generic]]

#: Examples of one inference, and the largest size in bytes of their codes: the floats are four times as large.
BATCH, BATCH_BYTES = 256, 4 * 2**20

#: What files may hold a trained network; a SavedModel is a folder and has no ending.
KINDS = (".keras", ".onnx", ".tflite", "saved_model")


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
    if kind_of(path, "distill.teacher") == ".keras":
        model = keras_format.load_model(keras, path)
        infer = inference(tf, model, scale)
    else:
        model, infer = None, _batched(open_file(tf, path, shape, threads), scale)
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


def kind_of(path: Path, where: str) -> str:
    """Which of :data:`KINDS` lies at ``path``, which the key ``where`` of params.yaml names.

    Raises:
        UsageError: a file of another kind.
        DataError: there is nothing.
    """
    known = "one of .keras, .onnx, .tflite or the folder of a SavedModel"
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise UsageError(f"{where}: {path.name} is a folder without a saved_model.pb; name {known}")
        return "saved_model"
    if path.suffix not in KINDS:
        raise UsageError(f"{where}: {path.name} must be a file of {known}; export it as such")
    if not path.is_file():
        raise DataError(f"{path} does not exist; correct {where}, or make it with dvc repro")
    return path.suffix


def open_file(tf: Any, path: Path, shape: tuple[int, int, int], threads: int) -> Ask:
    """The network in a file that is not Keras', run by its runtime, for real images of ``shape``.

    Raises:
        DataError: the runtime refuses the file, or it takes other images.
    """
    if path.suffix == ".onnx":
        return _open_onnx(path, shape, threads)
    if path.suffix == ".tflite":
        return _open_tflite(path, shape, threads)
    return _open_saved_model(tf, path, shape)


def _batched(ask: Ask, scale: float) -> Inference:
    def infer(images: npt.NDArray[np.uint8]) -> Floats:
        size = min(BATCH, rows_of(images.shape, BATCH_BYTES))
        parts = [
            ask(images[start : start + size].astype(np.float32) * np.float32(scale))
            for start in range(0, len(images), size)
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
    arrange = _arranging(image.shape[1:], shape)
    batch = image.shape[0] if image.shape else 0  # a number, or a name where it is open
    if arrange is None or image.type != "tensor(float)" or (isinstance(batch, int) and batch != 1):
        height, width, channels = shape
        raise DataError(
            f"the teacher {path.name} must take float images of {height}×{width} with {channels} channel(s), last or "
            f"first, one or any number of them, but it takes {image.type}{list(image.shape)}; export it for this data"
        )
    single = batch == 1

    def ask(images: Floats) -> npt.NDArray[np.generic]:
        fed = np.ascontiguousarray(arrange(images))
        batches = np.split(fed, len(fed)) if single else [fed]
        return np.concatenate([session.run(None, {image.name: batch})[0] for batch in batches])

    return ask


def _arranging(dims: Sequence[Any], shape: tuple[int, int, int]) -> Callable[[Floats], Floats] | None:
    """How images ``(n, *shape)`` become what a file takes, whose sides ``dims`` are numbers or left open.

    Channels last or first, flat, or a signal of width 1 without that axis; None for anything else.
    """
    height, width, channels = shape
    known: list[tuple[tuple[int, ...], Callable[[Floats], Floats]]] = [
        (shape, lambda images: images),
        ((channels, height, width), lambda images: images.transpose(0, 3, 1, 2)),
        ((height * width * channels,), lambda images: images.reshape(len(images), -1)),
    ]
    if width == 1:
        known += [
            ((height, channels), lambda images: images[:, :, 0]),
            ((channels, height), lambda images: images[:, :, 0].transpose(0, 2, 1)),
        ]
    if channels == 1:
        known.append(((height, width), lambda images: images[..., 0]))
    for wanted, arrange in known:
        open_or_equal = (
            not isinstance(size, int) or size == side for size, side in zip(dims, wanted, strict=False)
        )
        if len(dims) == len(wanted) and all(open_or_equal):
            return arrange
    return None


def _open_tflite(path: Path, shape: tuple[int, int, int], threads: int) -> Ask:
    from ai_edge_litert.interpreter import Interpreter

    try:
        with native_stderr_dropped():
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise DataError(f"LiteRT refuses {path}: {error}") from None
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    arrange = _arranging([int(size) for size in source["shape"][1:]], shape)
    if arrange is None:
        raise DataError(
            f"the teacher {path.name} must take images of shape {shape}, but it takes "
            f"{tuple(map(int, source['shape'][1:]))}; export it for this data"
        )

    def ask(images: Floats) -> npt.NDArray[np.generic]:
        answers = []
        for image in arrange(images):
            interpreter.set_tensor(source["index"], _stored(image[None], source))
            interpreter.invoke()
            answers.append(_real(interpreter.get_tensor(target["index"]), target))
        return np.concatenate(answers)

    return ask


def _open_saved_model(tf: Any, path: Path, shape: tuple[int, int, int]) -> Ask:
    try:
        model = tf.saved_model.load(str(path))
        answer = model.signatures["serving_default"]
    except (OSError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
        raise DataError(
            f"TensorFlow finds no signature serving_default in {path}: {error}; save it by Keras' model.export(), or "
            f"by tf.saved_model.save with signatures="
        ) from None
    inputs = answer.structured_input_signature[1]
    taken = [tuple(spec.shape[1:]) for spec in inputs.values()]
    arrange = _arranging(taken[0], shape) if len(taken) == 1 else None
    if arrange is None or len(answer.structured_outputs) != 1:
        raise DataError(
            f"the teacher {path.name} must take images of shape {shape} and give one array, but it takes {taken} and "
            f"gives {len(answer.structured_outputs)}; export it for this data"
        )
    ((name, spec),) = inputs.items()

    def ask(images: Floats) -> npt.NDArray[np.generic]:
        (answers,) = answer(**{name: tf.cast(arrange(images), spec.dtype)}).values()
        return np.asarray(answers)

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
