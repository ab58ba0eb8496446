"""ONNX: write a graph as an .onnx file, load it with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.formats.onnx_writer import serialize
from edgebuild.graph.ir import Graph

__all__ = ["ONNXSession", "load", "saturates", "unavailable_runtime", "write"]

Floats = npt.NDArray[np.float32]

#: Images per call, where the file lets the batch free.
BATCH = 256

#: An .onnx file: MatMulInteger of uint8 "a" (1, 4) and int8 "b" (4, 16) to int32 "c" (1, 16).
PROBE = bytes.fromhex(
    "08083a5c0a180a01610a0162120163220d4d61744d756c496e74656765721201705a130a0161120e0a0c080212080a02"
    "08010a0208045a130a0162120e0a0c080312080a0208040a02081062130a0163120e0a0c080612080a0208010a020810"
    "42040a001011"
)


def write(graph: Graph, path: Path, *, flexible: bool = False, unsigned: bool = False) -> None:
    """Write ``graph``: input "image" float32 (1, c, h, w), output "logits" float32 (1, classes).

    Labels, preprocessing and precision lie in the file's metadata.

    Args:
        graph: of any precision.
        path: replaced if it exists.
        flexible: let the batch free.
        unsigned: kernels of int8 graphs as uint8. x86 processors without VNNI saturate sums of
            uint8 and int8 products unless the runtime is told not to, as :class:`ONNXSession` does;
            these files need no telling and take up to twice the time on all others.
    """
    path.write_bytes(serialize(graph, flexible=flexible, unsigned=unsigned))


def load(path: Path, threads: int) -> ONNXSession:
    """Load ``path`` on the CPU.

    Raises:
        DataError: the file is missing or ONNX Runtime refuses it.
    """
    return ONNXSession(path, threads)


def unavailable_runtime() -> str | None:
    """ONNX Runtime runs wherever edgebuild does."""
    return None


class ONNXSession:
    """One file in ONNX Runtime. Integer sums are exact on every processor."""

    def __init__(self, path: Path, threads: int, optimized: Path | None = None) -> None:
        """``optimized`` names a file to write the graph to that the runtime really executes."""
        import onnxruntime as ort
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        if not path.is_file():
            raise DataError(f"{path} does not exist; run dvc repro")
        content = path.read_bytes()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if optimized is not None:
            options.optimized_model_filepath = str(optimized)
        if b"QuantizeLinear" in content and saturates():
            options.add_session_config_entry("session.x64quantprecision", "1")  # int8 kernels as uint8
        try:
            self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except (errors.Fail, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented) as error:
            raise DataError(f"ONNX Runtime refuses {path}: {error}") from None

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 ``(n, classes)``; one inference per image where the file fixes the batch."""
        batch = self._session.get_inputs()[0].shape[0]
        size = batch if isinstance(batch, int) else BATCH
        chunks = (images[start : start + size] for start in range(0, len(images), size))
        return np.concatenate([self._call(chunk)() for chunk in chunks])

    def bind(self, image: Floats) -> Callable[[], object]:
        """A call that executes one inference on a batch."""
        return self._call(image)

    def _call(self, images: Floats) -> Callable[[], Floats]:
        feed = {"image": np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)}
        run: Callable[..., list[Any]] = self._session.run
        return lambda: np.asarray(run(["logits"], feed)[0])


@cache
def saturates() -> bool:
    """Do this processor's kernels for uint8 and int8 add two products in 16 bits, which overflow?

    Those of x86 without VNNI do; asking costs about a millisecond, once per process.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # none is started
    session = ort.InferenceSession(PROBE, options, providers=["CPUExecutionProvider"])
    codes, kernel = np.full((1, 4), 255, np.uint8), np.full((4, 16), 127, np.int8)
    return bool((session.run(["c"], {"a": codes, "b": kernel})[0] != 4 * 255 * 127).any())
