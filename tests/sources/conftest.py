"""Small sources for the tests of edgebuild.data."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow

from edgebuild.params.data import Data
from edgebuild.sources.fashion_mnist import FILES


def data(**changes: Any) -> Data:
    """Section ``data`` of params.yaml: the digits, but for ``changes``."""
    plain = Data(source="digits", folder="", download=False, validation=1, calibration=1, test=1, seed=1)
    return replace(plain, **changes)


def photo(
    path: Path, colour: tuple[int, ...] = (200, 30, 60), size: tuple[int, int] = (8, 6), seed: int = 0
) -> Path:
    """Write a picture of noise around ``colour``, ``size`` being (height, width), and its folders."""
    noise = np.random.default_rng(seed).integers(-20, 20, (*size, len(colour)))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    Pillow.fromarray(pixels[..., 0] if len(colour) == 1 else pixels).save(path)
    return path


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """Write ``array`` as an idx file of unsigned bytes, gzipped where the name says so."""
    data = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def fashion(images: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Random 6×5 images and labels 0 to 9 in turn."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.integers(0, 256, (images, 6, 5), dtype=np.uint8), np.arange(images, dtype=np.uint8) % 10


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    """The four files, gzipped: 60 training and 20 test images."""
    folder = tmp_path / "idx"
    folder.mkdir()
    arrays = (*fashion(60, 1), *fashion(20, 2))
    for name, array in zip(FILES, arrays, strict=True):
        write_idx(folder / f"{name}.gz", array)
    return folder
