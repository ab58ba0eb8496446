"""Formats: one module per kind of file, and the protocol that they share.

A format's module knows its file and its vendor's runtime, and no other format.
It is imported when it is asked for, so that measuring a LiteRT file costs no
TensorFlow.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from edgebuild.errors import UsageError
from edgebuild.graph.ir import Graph

__all__ = ["FORMATS", "Format", "GraphFormat", "Session", "open_format", "open_writer"]

FORMATS = ("keras", "litert", "onnx", "coreml")

Floats = npt.NDArray[np.float32]


class Session(Protocol):
    """A file, loaded by the runtime that will execute it on the device."""

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 ``(n, classes)``, for real images, float32 ``(n, h, w, c)``."""

    def bind(self, image: Floats) -> Callable[[], object]:
        """A call that executes one inference, batch 1, on ``image``, float32 ``(1, h, w, c)``."""


class Format(Protocol):
    """What every module of this package offers."""

    def load(self, path: Path, threads: int) -> Session:
        """Load the file at ``path`` with ``threads`` threads per operation."""

    def unavailable_runtime(self) -> str | None:
        """Why nothing can be timed on this machine; None if it can."""


class GraphFormat(Format, Protocol):
    """A format that a graph can be written in: all but Keras."""

    def write(self, graph: Graph, path: Path, *, flexible: bool = False) -> None:
        """Write ``graph`` to ``path``, for one image or any number of them; equal graphs give equal bytes."""


def open_format(name: str) -> Format:
    """The module of format ``name``.

    Raises:
        UsageError: no such format.
    """
    if name not in FORMATS:
        raise UsageError(f"format {name!r} is not one of {', '.join(FORMATS)}")
    return cast(Format, importlib.import_module(f"edgebuild.formats.{name}"))


def open_writer(name: str) -> GraphFormat:
    """The module of format ``name``, which graphs can be written in.

    Raises:
        UsageError: no such format, or graphs are not written in it.
    """
    if name == "keras":
        raise UsageError("graphs are not written as Keras files; the training stages write those")
    return cast(GraphFormat, open_format(name))
