"""AI Edge Quantizer, Google's successor to the converter's quantization: its recipes on the float .tflite."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from bench.peers import tflite
from bench.peers.peer import Peer
from bench.source import Source

__all__ = ["PEERS"]

TOOL = "AI Edge Quantizer"


def write_static_int8(source: Source, path: Path) -> None:
    _quantize(source, path, "static_wi8_ai8")


def write_w8(source: Source, path: Path) -> None:
    _quantize(source, path, "weight_only_wi8_afp32")


def write_w4(source: Source, path: Path) -> None:
    _quantize(source, path, "weight_only_wi4_afp32")


def _quantize(source: Source, path: Path, recipe_name: str) -> None:
    from ai_edge_quantizer import quantizer, recipe

    given = source.step(tflite.FLOAT, lambda made: tflite.write_float(source, made))
    worker = quantizer.Quantizer(str(given), getattr(recipe, recipe_name)())
    ranges = _calibrate(worker, given, source) if worker.need_calibration else None
    worker.quantize(ranges).export_model(str(path), overwrite=True)


def _calibrate(worker: Any, given: Path, source: Source) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_path=str(given)).get_signature_list()
    (name, ends), *_ = signatures.items()
    with warnings.catch_warnings():  # it keeps all tensors, and LiteRT warns that this is for debugging
        warnings.simplefilter("ignore", UserWarning)
        return worker.calibrate({name: [{ends["inputs"][0]: image[None]} for image in source.calibration()]})


def _warm(source: Source) -> None:
    from ai_edge_quantizer import quantizer  # noqa: F401  (the import is what is wanted)

    source.model()


PEERS = (
    Peer("aeq-w8", TOOL, "litert", "w8 weight-only", write_w8, _warm, "w8"),
    Peer("aeq-w4", TOOL, "litert", "w4 weight-only", write_w4, _warm, "w4"),
    Peer("aeq-int8", TOOL, "litert", "int8 static", write_static_int8, _warm, "int8", default=True),
)
