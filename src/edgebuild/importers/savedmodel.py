"""A SavedModel folder as the inference graph, by way of TensorFlow's own converter.

What a SavedModel holds is a program: functions that call functions, variables,
resources. The converter reduces it to the operators of TFLite, in float32 and
without a change of the result, and those are read by :mod:`.tflite`; a second
reading of TensorFlow's several hundred operators would have to do the same.
"""

from __future__ import annotations

import tempfile
from math import prod
from pathlib import Path
from typing import Any

from edgebuild.errors import DataError, GraphError
from edgebuild.graph.ir import Graph
from edgebuild.importers.quiet import native_stderr_dropped
from edgebuild.importers.tflite import read_tflite

__all__ = ["read_savedmodel"]

#: The signatures that are looked for, in this order: TensorFlow's name and that of Keras' ``model.export``.
SIGNATURES = ("serving_default", "serve")


def read_savedmodel(tf: Any, path: Path, shape: tuple[int, int, int], final: str = "softmax") -> Graph:
    """The fp32 graph of the signature that serves one image, ``shape`` (h, w, c), and gives one vector.

    A last activation ``final`` is left out, so that the graph gives logits.

    Raises:
        DataError: it is none, is damaged, or has another input.
        GraphError: it has operators that TFLite or the graph does not have.
    """
    if not (path / "saved_model.pb").is_file():
        raise DataError(f"{path} is no SavedModel: saved_model.pb is not in it")
    with native_stderr_dropped():
        loaded, function = _served(tf, path)
        content = _converted(tf, loaded, function, path, shape)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "converted.tflite"
        file.write_bytes(content)
        try:
            return read_tflite(file, shape, final)
        except (DataError, GraphError) as error:
            raise type(error)(str(error).replace(str(file), str(path))) from None


def _served(tf: Any, path: Path) -> tuple[Any, Any]:
    """What was loaded, which must live as long as its function, and that function."""
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, tf.errors.OpError) as error:
        raise DataError(f"{path} is a SavedModel that TensorFlow cannot load: {_first_line(error)}") from None
    signatures = dict(loaded.signatures)
    names = [name for name in SIGNATURES if name in signatures] or list(signatures)[:1]
    if not names:
        raise DataError(
            f"{path} has no signature; save it with tf.saved_model.save(module, path, signatures=function), or with "
            f"model.export(path) in Keras"
        )
    return loaded, signatures[names[0]]


def _converted(tf: Any, loaded: Any, function: Any, path: Path, shape: tuple[int, int, int]) -> bytes:
    inputs = function.structured_input_signature[1]
    outputs = list(function.structured_outputs)
    if len(inputs) != 1 or len(outputs) != 1:
        raise DataError(
            f"{path} has a signature of {len(inputs)} inputs and {len(outputs)} outputs "
            f"({', '.join([*inputs, *outputs])}), not one of each; save the network from one image to its logits"
        )
    ((name, spec),) = inputs.items()
    if spec.dtype != tf.float32 or spec.shape.rank not in (2, 3, 4):
        raise DataError(
            f"{path}: its input {name!r} must be float32 images, found {spec.dtype.name} {spec.shape}"
        )
    image = tf.TensorSpec(_sides(spec.shape.as_list(), shape), tf.float32, name="image")
    if not spec.shape.is_compatible_with(image.shape):
        height, width, channels = shape
        raise DataError(
            f"{path}: its input {name!r} is {spec.shape}, but the data are n × {height} × {width} × {channels} "
            f"(height, width, channels); prepare the data in the network's size"
        )
    module = tf.Module()
    module.loaded = loaded
    module.call = tf.function(lambda image: function(**{name: image})[outputs[0]], input_signature=[image])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.call.get_concrete_function()], module)
    try:
        return bytes(converter.convert())
    except Exception as error:  # the class is not public
        if type(error).__name__ != "ConverterError":
            raise
        raise GraphError(
            f"{path} computes what TFLite's own operators do not: {_first_line(error)}; docs/importers.md lists what "
            f"can be read"
        ) from None


def _sides(dims: list[int | None], shape: tuple[int, int, int]) -> list[int | None]:
    """The input for data of ``shape``: the signature's own batch, a map, a row of pixels, or everything flat."""
    height, width, channels = shape
    if len(dims) == 2:
        return [dims[0], prod(shape)]
    if len(dims) == 4:
        return [dims[0], height, width, channels]
    left_out = "w" if width == 1 else "h" if height == 1 else "c"
    sides = zip("hwc", shape, strict=True)
    return [dims[0], *(side for letter, side in sides if letter != left_out)]


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
