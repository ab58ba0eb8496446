"""The sensitivity of layers as a table on disk: written when the network is quantized, read for the plot."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgebuild.errors import Finding

__all__ = ["Layer", "read", "write"]

COLUMNS = ("node", "op", "disagreement", "divergence", "in_float")


class Row(Protocol):
    """What quantizing one layer alone does: see :class:`edgebuild.compress.sensitivity.Sensitivity`."""

    @property
    def node(self) -> str: ...
    @property
    def op(self) -> str: ...
    @property
    def disagreement(self) -> float: ...
    @property
    def divergence(self) -> float: ...


@dataclass(frozen=True)
class Layer:
    """A row that was read back; ``in_float`` says that the layer stays in float32."""

    node: str
    op: str
    disagreement: float
    divergence: float
    in_float: bool


def write(rows: Iterable[Row], in_float: Collection[str], path: Path) -> None:
    """Write one line per layer, in the order of ``rows``; six significant digits."""
    with path.open("w", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            numbers = (f"{row.disagreement:.6g}", f"{row.divergence:.6g}", int(row.node in in_float))
            writer.writerow([row.node, row.op, *numbers])


def read(path: Path) -> list[Layer]:
    """The layers in ``path``, in its order.

    Raises:
        Finding: the file is not such a table.
    """
    with path.open(newline="") as source:
        reader = csv.DictReader(source)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise Finding(f"{path} must have the columns {', '.join(COLUMNS)}; run dvc repro quantize")
        return [
            Layer(
                row["node"],
                row["op"],
                float(row["disagreement"]),
                float(row["divergence"]),
                row["in_float"] == "1",
            )
            for row in reader
        ]
