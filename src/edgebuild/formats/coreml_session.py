"""Running Core ML packages: by Apple's runtime on macOS, by the evaluator everywhere.

Both take the same file and answer the same question, so where both exist they
can be compared: :func:`compare_runtimes`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild import mil
from edgebuild.errors import DataError, GraphError, UsageError
from edgebuild.mil.lower import INPUT, OUTPUT

__all__ = [
    "CHUNK",
    "Comparison",
    "Session",
    "compare_runtimes",
    "evaluate",
    "load",
    "open_coremltools",
    "quietly",
    "unavailable_runtime",
]

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

    def bind(self, image: Images) -> Callable[[], object]:
        """A call that executes one inference, batch 1, on ``image``, float32 (1, height, width, channels)."""
        return lambda: self.predict(image)


@dataclass(frozen=True)
class Comparison:
    """The same images through both runtimes: float32 (n, classes) each, and their largest difference."""

    apple: Images
    evaluated: Images
    largest: float
    same_labels: float


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
    with quietly():
        ct = open_coremltools()
        try:
            model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit.CPU_ONLY)
        except (ValueError, RuntimeError, OSError) as error:
            raise DataError(
                f"{path.name}: Core ML cannot load it: {error}; export it again, or update macOS"
            ) from error

    def predict(images: Images) -> Images:
        planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
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


def compare_runtimes(path: Path, images: Images) -> Comparison:
    """Run ``images``, float32 (n, height, width, channels), through Apple's runtime and the evaluator.

    Raises:
        UsageError: there is no Core ML on this machine.
        DataError, GraphError: as :func:`evaluate`.
    """
    missing = unavailable_runtime()
    if missing is not None:
        raise UsageError(f"comparing runtimes needs both: {missing}; run it on a Mac")
    apple, evaluated = load(path, threads=1).predict(images), evaluate(path).predict(images)
    same = np.argmax(apple, axis=1) == np.argmax(evaluated, axis=1)
    return Comparison(apple, evaluated, float(np.abs(apple - evaluated).max()), float(same.mean()))


@contextlib.contextmanager
def quietly() -> Iterator[None]:
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


def open_coremltools() -> Any:
    """coremltools, imported without the front ends it would look for (seconds instead of 20)."""
    hidden = [name for name in _FRONT_ENDS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail
    try:
        import coremltools
    finally:
        for name in hidden:
            del sys.modules[name]
    return coremltools
