"""One converter of the comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.source import Source

__all__ = ["Peer"]

#: format → how its files end.
_ENDINGS: Mapping[str, str] = {"litert": "tflite", "onnx": "onnx", "coreml": "mlpackage"}


@dataclass(frozen=True)
class Peer:
    """One way to one file.

    Attributes:
        id: names its file and its row.
        tool: whose it is, as the table shows it.
        format: "litert", "onnx" or "coreml".
        precision: as the table shows it; ours are those of :mod:`edgebuild.graph.ir`.
        write: the converter.
        warm: imports and loads what is no part of the conversion; not timed.
        rival: our precision in the same format that this one competes with; None for ours.
        default: it is what the tool does unless told otherwise, so ours must not be less accurate.
    """

    id: str
    tool: str
    format: str
    precision: str
    write: Callable[[Source, Path], None]
    warm: Callable[[Source], None]
    rival: str | None = None
    default: bool = False

    @property
    def is_ours(self) -> bool:
        return self.rival is None

    @property
    def file(self) -> str:
        """Its file's name in the folder of its network."""
        return f"{self.id}.{_ENDINGS[self.format]}"
