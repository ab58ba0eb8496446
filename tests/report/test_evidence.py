"""What the page is made of, read back from a build; the command that writes the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebuild.cli import main
from edgebuild.errors import DataError
from edgebuild.graph import file
from edgebuild.json_file import write_json
from edgebuild.measure import layers
from edgebuild.report.evidence import Evidence, read
from edgebuild.report.page import page
from edgebuild.tasks.classification import Classification

ROOT = Path(__file__).parents[2]


@pytest.fixture
def built(tmp_path: Path, evidence: Evidence) -> Path:
    """The build on disk."""
    for folder in ("metrics/predictions", "models/graphs", "data"):
        (tmp_path / folder).mkdir(parents=True)
    write_json(tmp_path / "metrics/summary.json", evidence.summary)
    write_json(tmp_path / "metrics/latency.json", evidence.latency)
    for name, logits in evidence.logits.items():
        np.save(tmp_path / f"metrics/predictions/{name}.npy", logits)
    for precision, graph in evidence.graphs.items():
        file.write(graph, tmp_path / f"models/graphs/pruned-{precision}.safetensors")
    in_float = [layer.node for layer in evidence.sensitivity if layer.in_float]
    layers.write(evidence.sensitivity, in_float, tmp_path / "metrics/sensitivity.csv")
    evidence.test.write(tmp_path / "data/test.npz")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


def test_what_is_read_makes_the_page_that_the_stage_makes(built: Path, evidence: Evidence) -> None:
    assert page(read(built, Classification(), evidence.cost)) == page(evidence)


@pytest.mark.parametrize(
    "name",
    [
        "metrics/summary.json",
        "metrics/predictions/pruned-onnx-w8.npy",
        "metrics/sensitivity.csv",
        "data/test.npz",
    ],
)
def test_what_is_missing_is_named_with_the_way_out(name: str, built: Path, evidence: Evidence) -> None:
    (built / name).unlink()
    with pytest.raises(DataError, match=rf"{name} does not exist.*dvc repro"):
        read(built, Classification(), evidence.cost)


def test_damaged_answers_are_named(built: Path, evidence: Evidence) -> None:
    (built / "metrics/predictions/pruned-onnx-w8.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"pruned-onnx-w8.npy is no array.*delete it and run dvc repro"):
        read(built, Classification(), evidence.cost)


def test_answers_of_another_build_are_refused(built: Path, evidence: Evidence) -> None:
    np.save(built / "metrics/predictions/pruned-onnx-w8.npy", np.zeros((59, 3), np.float32))
    with pytest.raises(
        DataError, match=r"3 answers for 60 examples .* its shape is \(59, 3\).* run dvc repro"
    ):
        read(built, Classification(), evidence.cost)


def test_a_cost_of_what_was_not_built_is_refused(built: Path, evidence: Evidence) -> None:
    cost = replace(evidence.cost, edge="pruned-litert-w4")
    with pytest.raises(
        DataError, match=r"cost.edge of params.yaml is pruned-litert-w4.* it has teacher-keras-fp32"
    ):
        read(built, Classification(), cost)


def test_the_integer_file_is_the_devices_if_that_is_one(on: Callable[..., Evidence]) -> None:
    assert on(edge="pruned-onnx-int8").integer == "pruned-onnx-int8"
    assert on(edge="pruned-onnx-w8").integer == "pruned-litert-int8"


def test_the_command_writes_the_page(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(built)
    assert main(["report", "--html", "page.html"]) == 0
    assert (built / "page.html").read_text().startswith("<!doctype html>")
    assert capsys.readouterr().out.startswith("page.html: ")


def test_a_place_that_cannot_be_written_is_a_usage_error(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(built)
    assert main(["report", "--html", "nowhere/page.html"]) == 2
    assert "nowhere/page.html cannot be written: No such file or directory" in capsys.readouterr().err
