from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bench.timing import Effort, interleaved

DOUBLE = (sys.executable, str(Path(__file__).parents[1] / "measure" / "double_runtime.py"))
EFFORT = Effort(rounds=2, runs=3, warmup=1, minutes=1)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, tuple[str, Path]]:
    """Files whose runtime does what their text says."""
    for behaviour in ("work", "exit"):
        (tmp_path / behaviour).write_text(behaviour)
    return {"one": ("onnx", tmp_path / "work"), "other": ("onnx", tmp_path / "exit")}


def test_every_file_is_timed_in_every_round(files: dict[str, tuple[str, Path]]) -> None:
    found = interleaved({"one": files["one"]}, (8, 6, 1), EFFORT, 60, lambda text: None, DOUBLE)
    assert len(found.rounds["one"]) == 2
    assert min(found.rounds["one"]) > 1000  # the double sleeps for a millisecond
    assert not found.broken


def test_a_file_that_breaks_its_runtime_is_told_of_and_the_others_are_timed(
    files: dict[str, tuple[str, Path]],
) -> None:
    told: list[str] = []
    found = interleaved(files, (8, 6, 1), EFFORT, 60, told.append, DOUBLE)
    assert list(found.rounds) == ["one"]
    assert "ended with status 3" in found.broken["other"]
    assert told == ["round 1 of 2, 1 files", "round 2 of 2, 1 files"]


def test_without_time_for_more_there_are_two_rounds(files: dict[str, tuple[str, Path]]) -> None:
    told: list[str] = []
    effort = replace(EFFORT, rounds=9)
    found = interleaved({"one": files["one"]}, (8, 6, 1), effort, 0, told.append, DOUBLE)
    assert len(found.rounds["one"]) == 2
    assert told[-1] == "no time for more than 2 of 9 rounds"
