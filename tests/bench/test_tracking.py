"""The synthetic build of `bench.tracking` is one that would be published; its table has the spread."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.tracking import lines, write_build

from edgebuild.track.state import BuildState, read_state


def test_the_synthetic_build_is_whole(tmp_path: Path) -> None:
    models, root = tmp_path / "models", tmp_path / "build"
    models.mkdir()
    root.mkdir()
    (models / "a.tflite").write_bytes(b"a")
    (models / "b.onnx").write_bytes(b"b")
    write_build(root, models, 5)
    state = read_state(root)
    assert isinstance(state, BuildState)
    assert [variant["format"] for variant in state.variants] == ["litert", "onnx", "litert", "onnx", "litert"]
    assert len(state.entries) == 10
    assert len(state.latency) == 5


def test_without_built_models_it_says_how_to_build_them(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="edgebuild run"):
        write_build(tmp_path, tmp_path, 5)


def test_a_line_has_the_median_the_least_and_the_most() -> None:
    assert lines({"added_s": [0.3, 0.1, 0.2]}) == ["added_s               0.200  (0.100 to 0.300)"]
