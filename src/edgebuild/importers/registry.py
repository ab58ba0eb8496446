"""A trained network by its file: .onnx, .tflite, or a SavedModel folder. Keras opens its own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgebuild.errors import DataError
from edgebuild.importers.keras_model import keras_model

__all__ = ["KINDS", "open_network"]

#: What a file may be, for messages.
KINDS = ".onnx, .tflite (float32), or a SavedModel folder"


def open_network(
    keras: Any, path: Path, shape: tuple[int, int, int], final: str = "softmax", *, tf: Any = None
) -> Any:
    """The network in ``path`` as a Keras model: images float32 ``(n, *shape)`` → ``(n, outputs)``.

    A last activation ``final`` ("softmax", "sigmoid", or "" for none) is left
    out, so that the model gives logits, which is what losses and exporters take.
    ``tf`` is TensorFlow, which reads SavedModels; nothing else needs it.

    Raises:
        DataError: the file is missing or damaged, or takes images of another shape.
        GraphError: it computes what the graph cannot hold, every reason at once.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; name a file: {KINDS}")
    if path.suffix == ".onnx":
        from edgebuild.importers.onnx import read_onnx

        return keras_model(keras, read_onnx(path, shape, final), path.stem)
    if path.suffix == ".tflite":
        from edgebuild.importers.tflite import read_tflite

        return keras_model(keras, read_tflite(path, shape, final), path.stem)
    if path.is_dir():
        from edgebuild.importers.savedmodel import read_savedmodel

        return keras_model(keras, read_savedmodel(tf, path, shape, final), path.name)
    raise DataError(f"{path} is no trained network that can be read; it must be {KINDS}")
