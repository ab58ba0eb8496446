"""What every converter of the comparison starts from: one trained Keras model and its data.

Converters share intermediate files (the float .tflite that a quantizer reads,
the frozen graph). Each is made once, with the seconds that it took beside it,
and a converter that finds it ready is charged those seconds: conversion times
are from the Keras model in memory to the file, whoever ran first.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.train import backend

__all__ = ["Recipe", "Source", "remove"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """How edgebuild chooses the numbers of its int8 grid; see the quantize section of params.yaml."""

    ranges: str = "minmax"
    percentile: float = 99.99
    equalize: bool = False
    correct_bias: bool = False


@dataclass
class Source:
    """One network of the comparison.

    Attributes:
        network: its name.
        keras: its trained float model, a .keras file.
        data: the folder of the prepared splits (``test.npz``, ``calibration.npz``, ``train.npz``).
        work: where files of this network are written.
        recipe: how ours is quantized.
        borrowed: seconds that steps took which were ready when they were asked for.
    """

    network: str
    keras: Path
    data: Path
    work: Path
    recipe: Recipe = Recipe()
    borrowed: float = field(default=0.0, compare=False)

    def model(self) -> Any:
        """The Keras model; loaded once per process."""
        return _model(self.keras)

    def calibration(self) -> Floats:
        """All calibration images, float32 ``(n, h, w, c)`` in [0, 1]: every converter gets the same."""
        return _split(self.data / "calibration.npz").real()

    def test(self, count: int) -> Floats:
        """The first ``count`` test images, float32 ``(n, h, w, c)`` in [0, 1]."""
        return _split(self.data / "test.npz").real()[:count]

    def labels(self) -> tuple[str, ...]:
        return _split(self.data / "test.npz").classes

    def step(self, name: str, make: Callable[[Path], None]) -> Path:
        """The intermediate file ``name``, made by ``make`` unless it is there."""
        path, taken = self.work / name, self.work / f"{name}.seconds"
        if path.exists() and taken.exists():
            self.borrowed += float(taken.read_text())
            return path
        remove(path)
        before, start = self.borrowed, time.perf_counter()
        make(path)
        taken.write_text(str(time.perf_counter() - start + self.borrowed - before))
        return path


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _model(path: Path) -> Any:
    _, keras = backend.load(seed=0)
    return keras_format.load_model(keras, path)


@lru_cache(maxsize=3)
def _split(path: Path) -> Split:
    return Split.read(path)
