"""Core ML: write an ML Program from a graph, load it, run it.

The program is saved with an empty pass pipeline: coremltools' type inference,
validation and writer are used, and what is stored is what :mod:`edgebuild.mil.lower`
built, so the integers of the grid reach the file untouched (the default passes
move zero points and drop quantize/dequantize pairs).
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild import mil
from edgebuild.errors import GraphError
from edgebuild.graph.ir import PRECISIONS, Graph
from edgebuild.mil import package, proto
from edgebuild.mil.lower import INPUT, OUTPUT, lower

__all__ = ["INPUT", "LABELS_KEY", "OUTPUT", "Session", "evaluate", "load", "unavailable_runtime", "write"]

#: User-defined metadata: the class names as a JSON list, in the order of the output.
LABELS_KEY = "edgebuild.labels"

#: Images evaluated at once: enough for large matrix products, few enough for the cache
#: (256 take 1.2 times as long on a small network).
CHUNK = 64

#: Optional front ends of coremltools that cost seconds to import and are not needed here.
_FRONT_ENDS = ("tensorflow", "sklearn", "torch", "xgboost")

Images = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Session:
    """A loaded package: ``predict`` maps float32 (n, height, width, channels) to float32 (n, classes)."""

    predict: Callable[[Images], Images]


def write(graph: Graph, path: Path) -> None:
    """Write ``graph`` as the package ``path``, with the same bytes in every process.

    fp32, fp16 and w8 need iOS 16 or macOS 13, int8 needs iOS 17 or macOS 14.
    The input "image" is float32 (1, channels, height, width), the output
    "logits" float32 (1, classes), in fp16 too.

    Raises:
        GraphError: the graph holds something that Core ML or this writer cannot represent.
    """
    if graph.precision not in PRECISIONS:
        raise GraphError(f"precision must be one of {', '.join(PRECISIONS)}, found {graph.precision!r}")
    with _quietly(), tempfile.TemporaryDirectory() as folder:
        ct = _coremltools()
        from coremltools.converters.mil.mil import Builder

        target = ct.target.iOS17 if graph.precision == "int8" else ct.target.iOS16
        saved = Path(folder) / "model.mlpackage"
        try:
            ct.convert(
                lower(graph, Builder, target),
                source="milinternal",
                convert_to="mlprogram",
                minimum_deployment_target=target,
                compute_precision=ct.precision.FLOAT32,  # precision is in the program; no pass may change it
                pass_pipeline=ct.PassPipeline.EMPTY,
                skip_model_load=True,
                package_dir=str(saved),
            )
        except (ValueError, TypeError, RuntimeError, AssertionError) as error:
            raise GraphError(f"{path.name}: Core ML's converter refuses the graph: {error}") from error
        specification, weights = package.read(saved)
    package.write(path, _canonical(specification, graph), weights)


def _canonical(specification: bytes, graph: Graph) -> bytes:
    """Our metadata instead of coremltools' (which holds a date); map entries in sorted order."""
    model = proto.model_pb2().Model.FromString(specification)
    metadata = model.description.metadata
    metadata.shortDescription = (
        f"Image classifier, {len(graph.labels)} classes, {graph.precision}, by edgebuild"
    )
    metadata.userDefined.clear()
    metadata.userDefined[LABELS_KEY] = json.dumps(list(graph.labels), ensure_ascii=False)
    written: bytes = model.SerializeToString(deterministic=True)
    return written


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """coremltools logs what macOS would offer, draws progress bars and leaves temporary folders to the
    garbage collector, with a warning; errors arrive as exceptions."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _coremltools() -> Any:
    """coremltools, imported without the front ends it would look for (seconds instead of 20)."""
    hidden = [name for name in _FRONT_ENDS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail
    try:
        import coremltools
    finally:
        for name in hidden:
            del sys.modules[name]
    return coremltools


def unavailable_runtime() -> str | None:
    """Why latency cannot be measured on this machine, or None where Apple's runtime is."""
    if sys.platform == "darwin":
        return None
    return f"Core ML's runtime exists only on macOS; this is {sys.platform}"


def load(path: Path, threads: int) -> Session:
    """The package on Apple's runtime (CPU) where there is one, else :func:`evaluate`.

    ``threads`` is ignored: Core ML chooses its own, and the evaluator uses
    whatever numpy's matrix products use.

    Raises:
        DataError, GraphError: as :func:`evaluate`.
    """
    if unavailable_runtime() is not None:
        return evaluate(path)
    with _quietly():
        ct = _coremltools()
        model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit.CPU_ONLY)

    def predict(images: Images) -> Images:
        planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return np.concatenate([model.predict({INPUT: plane[None]})[OUTPUT] for plane in planes])

    return Session(predict)


def evaluate(path: Path) -> Session:
    """The package's own bytes, executed by :mod:`edgebuild.mil` in chunks of :data:`CHUNK` images.

    Raises:
        DataError: the package is damaged.
        GraphError: it holds an operation that cannot be evaluated.
    """
    program = mil.read(path)
    prepared = mil.plan(program.main)
    if list(prepared.inputs) != [INPUT] or prepared.outputs != (OUTPUT,):
        raise GraphError(
            f"{path.name} must take {INPUT!r} and return {OUTPUT!r}, found {list(prepared.inputs)} and "
            f"{list(prepared.outputs)}; was it written by edgebuild?"
        )

    def predict(images: Images) -> Images:
        planes = images.transpose(0, 3, 1, 2)
        parts = [
            mil.run(prepared, {INPUT: planes[i : i + CHUNK]})[OUTPUT] for i in range(0, len(planes), CHUNK)
        ]
        return np.concatenate(parts).astype(np.float32)

    return Session(predict)
