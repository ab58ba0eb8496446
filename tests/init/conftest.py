"""Small data of every kind, as a user would have them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Make = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, outside of any repository, in which the test works."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def images(root: Path) -> Make:
    """A function that makes class folders of images below ``root``."""

    def make(
        folder: str = "photos", classes: str = "cat dog", count: int = 20, size: tuple[int, int] = (12, 10),
        mode: str = "RGB",
    ) -> Path:  # fmt: skip
        for name in classes.split():
            (root / folder / name).mkdir(parents=True)
            for number in range(count):
                Image.new(mode, size, number).save(root / folder / name / f"{number}.png")
        return root / folder

    return make


@pytest.fixture
def sounds(root: Path) -> Make:
    """A function that makes class folders of WAV files (16 bit, mono) below ``root``."""

    def make(
        folder: str = "words",
        classes: str = "no yes",
        count: int = 20,
        rate: int = 8000,
        name: str = "{}.wav",
    ) -> Path:
        data = np.zeros(rate // 2, np.int16).tobytes()
        head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
        body = head + b"data" + struct.pack("<I", len(data)) + data
        for one in classes.split():
            (root / folder / one).mkdir(parents=True)
            for number in range(count):
                path = root / folder / one / name.format(number)
                path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
        return root / folder

    return make


@pytest.fixture
def readings(root: Path) -> Make:
    """A function that makes class folders of CSV recordings below ``root``."""

    def make(folder: str = "runs", classes: str = "idle loose", count: int = 5, rows: int = 300) -> Path:
        for one in classes.split():
            (root / folder / one).mkdir(parents=True)
            for number in range(count):
                lines = [f"{row / 50:.2f},{row % 7},{row % 5}.5" for row in range(rows)]
                (root / folder / one / f"{number}.csv").write_text("time_s,x,y\n" + "\n".join(lines) + "\n")
        return root / folder

    return make
