"""coremltools: its TensorFlow front end, ``linear_quantize_weights`` and ``palettize_weights``.

Its compressors leave tensors of less than 2,049 elements alone unless told
otherwise; here they are told to compress all, as edgebuild does. Quantizing
activations needs macOS and is not compared.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.peer import Peer
from bench.source import Source

__all__ = ["PEERS"]

TOOL = "coremltools"
#: The 4-bit lookup tables of iOS 16 are enough for every file here.
TARGET = "iOS16"


def write_float(source: Source, path: Path) -> None:
    _convert(source).save(str(path))


def write_w8(source: Source, path: Path) -> None:
    from coremltools.optimize import coreml

    config = coreml.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", weight_threshold=0)
    coreml.linear_quantize_weights(_convert(source), coreml.OptimizationConfig(config)).save(str(path))


def write_w4(source: Source, path: Path) -> None:
    from coremltools.optimize import coreml

    config = coreml.OpPalettizerConfig(mode="kmeans", nbits=4, weight_threshold=0)
    coreml.palettize_weights(_convert(source), coreml.OptimizationConfig(config)).save(str(path))


def _convert(source: Source) -> Any:
    """The float ML Program; input "image", float32 (1, h, w, c)."""
    import coremltools as ct
    import tensorflow as tf

    model = source.model()
    shape = (1, *model.inputs[0].shape[1:])
    infer = tf.function(lambda image: model(image, training=False), autograph=False)
    function = infer.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="image"))
    return ct.convert(
        [function],
        source="tensorflow",
        convert_to="mlprogram",
        minimum_deployment_target=ct.target[TARGET],
        compute_precision=ct.precision.FLOAT32,
        inputs=[ct.TensorType("image", shape=shape, dtype=np.float32)],
        skip_model_load=True,
    )


def _warm(source: Source) -> None:
    source.model()
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    from coremltools.optimize import coreml  # noqa: F401  (the import is what is wanted)


PEERS = (
    Peer("coremltools-fp32", TOOL, "coreml", "fp32", write_float, _warm, "fp32", default=True),
    Peer("coremltools-w8", TOOL, "coreml", "w8 linear", write_w8, _warm, "w8", default=True),
    Peer("coremltools-w4", TOOL, "coreml", "w4 palettes", write_w4, _warm, "w4", default=True),
)
