"""TensorFlow's own converter: float, dynamic range, and full-integer post-training quantization.

As its guide says: from a SavedModel of fixed signature, with the whole
calibration split as representative dataset. The integer file comes twice: with
int8 at both ends, and with float32 as an application has its pixels; one
quantization and one dequantization, which the first leaves to its caller.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from bench.peers.peer import Peer
from bench.source import Source

__all__ = ["FLOAT", "PEERS", "write_float"]

#: The intermediate file that AI Edge Quantizer starts from.
FLOAT = "float.tflite"
TOOL = "TFLiteConverter"


def saved_model(source: Source) -> Path:
    """A SavedModel that takes "image", float32 (1, h, w, c)."""
    return source.step("saved-model", lambda path: _save(source, path))


def write_float(source: Source, path: Path) -> None:
    path.write_bytes(_converter(source).convert())


def write_dynamic_range(source: Source, path: Path) -> None:
    import tensorflow as tf

    converter = _converter(source)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(converter.convert())


def write_int8(source: Source, path: Path, ends: str = "int8") -> None:
    """``ends`` is the type of the input and the output: int8 or float32."""
    import tensorflow as tf

    converter, images = _converter(source), source.calibration()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(ends)
    path.write_bytes(converter.convert())


def _save(source: Source, path: Path) -> None:
    import keras
    import tensorflow as tf

    model = source.model()
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = tf.TensorSpec((1, *model.inputs[0].shape[1:]), tf.float32, name="image")
    archive.add_endpoint("serve", lambda image: model(image, training=False), input_signature=[signature])
    archive.write_out(str(path), verbose=False)


def _converter(source: Source) -> Any:
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_saved_model(str(saved_model(source)))


def _warm(source: Source) -> None:
    source.model()


_FLOAT_ENDS = partial(write_int8, ends="float32")

PEERS = (
    Peer("tflite-fp32", TOOL, "litert", "fp32", write_float, _warm, "fp32", default=True),
    Peer("tflite-dynamic", TOOL, "litert", "dynamic range", write_dynamic_range, _warm, "w8"),
    Peer("tflite-int8", TOOL, "litert", "int8 PTQ", write_int8, _warm, "int8", default=True),
    Peer(
        "tflite-int8-float",
        TOOL,
        "litert",
        "int8 PTQ, float32 ends",
        _FLOAT_ENDS,
        _warm,
        "int8",
        default=True,
    ),
)
