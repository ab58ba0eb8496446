"""A data set larger than memory goes through preparation, a training epoch and calibration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_491_mb_of_images_need_some_130_mb_beside_the_libraries(tmp_path: Path) -> None:
    script = Path(__file__).with_name("larger.py")
    for phase in ("prepare", "train", "calibrate"):
        command = [sys.executable, str(script), phase, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert f"{phase}: " in done.stdout
    for path in tmp_path.iterdir():
        path.unlink()  # pytest keeps the folders of its last runs
