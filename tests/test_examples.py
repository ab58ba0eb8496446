"""The examples of data: each makes what its params.yaml reads, and the same every time."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edgebuild.params import read
from edgebuild.sources.registry import load

EXAMPLES = Path(__file__).parents[1] / "examples"

#: folder → constants of its script that make it small, and what a network then sees.
SMALL: Mapping[str, tuple[Mapping[str, Any], tuple[int, ...]]] = {
    "solids": ({"IMAGES": 4}, (12, 32, 32, 3)),
    "keywords": ({"SPEAKERS": 6, "REPEATS": 1}, (24, 49, 40, 1)),
    "rotor": ({"RECORDINGS": 4, "SECONDS": 1}, (80, 128, 1, 3)),
    "bearing": (
        {"RECORDINGS": {"normal": 4, "outer_race": 1, "inner_race": 1, "imbalance": 1}},
        (98, 15, 32, 1),
    ),
}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / name / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The digests of the files that a small run of the script writes to ``folder``."""
    module = script(name)
    for constant, value in SMALL[name][0].items():
        monkeypatch.setattr(module, constant, value)
    monkeypatch.setattr(sys, "argv", ["make.py", str(folder)])
    module.main()
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.*"))
    }


@pytest.mark.parametrize("name", SMALL)
def test_an_example_is_what_its_params_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = read(EXAMPLES / name / "params.yaml")
    assert made(name, tmp_path / "data", monkeypatch)
    few = {"validation": 1, "calibration": 1, "test": 2}
    found = load(replace(params.data, folder=str(tmp_path / "data"), **few), params.task.kind)
    assert found.images.shape == SMALL[name][1]
    assert params.quantize.samples <= params.data.calibration


@pytest.mark.parametrize("name", SMALL)
def test_an_example_is_the_same_bytes_every_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made(name, tmp_path / "one", monkeypatch) == made(name, tmp_path / "two", monkeypatch)


@pytest.mark.parametrize("name", SMALL)
def test_a_script_without_a_folder_says_how_it_is_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["make.py"])
    with pytest.raises(SystemExit, match=r"usage: python make\.py OUT"):
        script(name).main()
