"""Right and wrong by class: a row per class, and the confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgebuild.measure.accuracy import confusion

__all__ = ["LARGEST", "Cell", "ClassRow", "Confused", "Matrix", "classes", "matrix"]

#: A larger matrix is not readable; the pairs that are confused most stand for it.
LARGEST = 20
PAIRS = 10

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassRow:
    """One class: its images in the split, and the fraction that each model gets right, in the models' order."""

    name: str
    images: int
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Cell:
    """``count`` images; ``shade`` in [0, 1] grows with their fraction of the true class."""

    count: int
    shade: float
    right: bool


@dataclass(frozen=True)
class Confused:
    """``count`` images of class ``truth`` that are taken for ``answer``."""

    truth: str
    answer: str
    count: int


@dataclass(frozen=True)
class Matrix:
    """Rows are true classes and columns answers; ``rows`` is empty where there are too many classes."""

    id: str
    rows: tuple[tuple[Cell, ...], ...]
    confused: tuple[Confused, ...]  #: most frequent first


def classes(
    names: Sequence[str], logits: Mapping[str, npt.NDArray[np.floating]], labels: npt.NDArray[np.integer]
) -> list[ClassRow]:
    """A row per class; logits are float ``(n, classes)`` by model, labels int ``(n,)``."""
    counted = [confusion(values, labels) for values in logits.values()]
    images = np.bincount(labels, minlength=len(names))
    return [
        ClassRow(
            name,
            int(images[at]),
            tuple(float(counts[at, at]) / max(int(images[at]), 1) for counts in counted),
        )
        for at, name in enumerate(names)
    ]


def matrix(
    name: str, names: Sequence[str], logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> Matrix:
    """The confusion matrix of variant ``name``; logits float ``(n, classes)``, labels int ``(n,)``."""
    counts = confusion(logits, labels)
    return Matrix(name, _cells(counts) if len(names) <= LARGEST else (), _confused(counts, names))


def _cells(counts: Counts) -> tuple[tuple[Cell, ...], ...]:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # What is wrong is rare: by its square root, so that one in forty is seen and one in a thousand is paler.
    shades = np.where(np.eye(len(counts), dtype=bool), shares, np.sqrt(shares))
    return tuple(
        tuple(Cell(int(count), float(shades[row, at]), row == at) for at, count in enumerate(counted))
        for row, counted in enumerate(counts)
    )


def _confused(counts: Counts, names: Sequence[str]) -> tuple[Confused, ...]:
    wrong = counts - np.diag(np.diag(counts))
    pairs = sorted(
        ((-int(wrong[row, column]), int(row), int(column)) for row, column in np.argwhere(wrong > 0))
    )
    return tuple(Confused(names[row], names[column], -count) for count, row, column in pairs[:PAIRS])
