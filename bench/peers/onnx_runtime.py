"""ONNX Runtime's ``quantize_static`` on Keras' ONNX export, as its guide says: QDQ, per channel, after
``quant_pre_process``.

Two more rows tell apart what the default leaves on the table. With uint8
activations x86 has integer kernels for more operators. On edgebuild's own
float file (NCHW, batch normalization folded) the quantizer is alone to blame.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.peers import ours
from bench.peers.peer import Peer
from bench.source import Source

__all__ = ["PEERS"]

TOOL = "quantize_static"
OPSET = 17


def write_float(source: Source, path: Path) -> None:
    """Keras' export, made by tf2onnx; input "image", float32 (batch, h, w, c)."""
    import keras

    model = source.model()
    signature = keras.InputSpec(dtype="float32", shape=(None, *model.inputs[0].shape[1:]), name="image")
    with warnings.catch_warnings():  # its shim asks whether numpy has np.object, which numpy warns about
        warnings.simplefilter("ignore", FutureWarning)
        model.export(
            str(path), format="onnx", verbose=False, input_signature=[signature], opset_version=OPSET
        )


def write_int8(source: Source, path: Path) -> None:
    _quantize(_exported(source), source.calibration(), path, activations="QInt8")


def write_uint8_activations(source: Source, path: Path) -> None:
    _quantize(_exported(source), source.calibration(), path, activations="QUInt8")


def write_from_ours(source: Source, path: Path) -> None:
    given = source.step("ours-fp32.onnx", lambda made: ours.write(source, made, "onnx", "fp32"))
    _quantize(given, source.calibration().transpose(0, 3, 1, 2), path, activations="QUInt8")


def _exported(source: Source) -> Path:
    return source.step("keras.onnx", lambda made: write_float(source, made))


def _quantize(given: Path, images: npt.NDArray[np.float32], path: Path, *, activations: str) -> None:
    from onnxruntime import InferenceSession
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(given), str(prepared))
    name = InferenceSession(str(prepared), providers=["CPUExecutionProvider"]).get_inputs()[0].name
    quantize_static(
        str(prepared),
        str(path),
        _reader(name, images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType[activations],
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()


def _reader(name: str, images: npt.NDArray[np.float32]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the vendor's protocol has no types
        def __init__(self) -> None:
            self.feeds: Iterator[dict[str, Any]] = (
                {name: np.ascontiguousarray(image[None])} for image in images
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self.feeds, None)

    return Reader()


def _warm(source: Source) -> None:
    from onnxruntime import quantization  # noqa: F401  (the import is what is wanted)

    source.model()
    if importlib.util.find_spec("tf2onnx") is not None:  # without it the export says what is missing
        import tf2onnx  # noqa: F401


def _warm_ours(source: Source) -> None:
    from onnxruntime import quantization  # noqa: F401

    ours.warm(source, "onnx")


PEERS = (
    Peer("keras-onnx", "Keras export", "onnx", "fp32", write_float, _warm, "fp32", default=True),
    Peer("ort-int8", TOOL, "onnx", "int8", write_int8, _warm, "int8", default=True),
    Peer("ort-uint8", TOOL, "onnx", "int8, uint8 activations", write_uint8_activations, _warm, "int8"),
    Peer("ort-from-ours", TOOL, "onnx", "int8, of our fp32 file", write_from_ours, _warm_ours, "int8"),
)
