"""params.yaml is the template's, with its comments; what was found is filled in, and it is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from edgebuild.errors import UsageError
from edgebuild.init import begin, template, values
from edgebuild.init.data import Data
from edgebuild.params import read

TEXT = template.read("params.yaml")
PHOTOS = Data(
    "image_folder",
    "photos",
    1000,
    ("cat", "dog"),
    (32, 32, 3),
    {"image": {"height": 32, "width": 32, "channels": 3, "fit": "crop"}},
)


def filled(
    data: Data | None, targets: str = "litert,onnx,coreml", precisions: str = "fp32,fp16,w8,w4,int8"
) -> str:
    text, _ = values.fill(TEXT, "my project", data, None, targets.split(","), precisions.split(","))
    return text


def loaded(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def accepted(text: str, folder: Path) -> None:
    (folder / "params.yaml").write_text(text)
    read(folder / "params.yaml")


def test_the_example_is_the_repositorys_own_build() -> None:
    assert loaded(filled(None)) == loaded(TEXT)
    assert [line for line in filled(None).splitlines() if line not in TEXT.splitlines()] == [
        "# The package edgebuild.params states each knob's type, unit and allowed values."
    ]


def test_comments_stay_and_the_section_of_the_source_is_added(tmp_path: Path) -> None:
    text = filled(PHOTOS)
    accepted(text, tmp_path)
    assert "  image: {height: 32, width: 32, channels: 3, fit: crop}\n" in text
    assert "# per operation while training; another count gives other bits" in text
    assert loaded(text)["project"] == "my-project"
    assert loaded(text)["budgets"]["limits"]["pruned-onnx-int8"] == {"parity_logits": 0.99}


@pytest.mark.parametrize(
    ("targets", "precisions", "expected"),
    [
        ("onnx", "int8", ["teacher-onnx-fp32", "pruned-onnx-int8"]),
        ("coreml", "fp16,w4", ["pruned-coreml-fp16", "pruned-coreml-w4"]),
        ("litert", "fp32", ["teacher-litert-fp32", "pruned-litert-fp32"]),
    ],
)
def test_only_what_is_asked_for_is_built(
    tmp_path: Path, targets: str, precisions: str, expected: list[str]
) -> None:
    text = filled(PHOTOS, targets, precisions)
    accepted(text, tmp_path)
    assert list(loaded(text)["variants"]) == expected
    assert loaded(text)["cost"]["edge"] == expected[-1]


def test_splits_are_shares_and_those_that_the_data_holds_are_taken_whole() -> None:
    data = loaded(filled(PHOTOS))["data"]
    assert (data["test"], data["validation"], data["calibration"]) == (200, 100, 100)
    placed = Data("image_folder", "photos", 1000, ("cat", "dog"), placed=frozenset({"train", "test"}))
    text, _ = values.fill(TEXT, "p", placed, None, begin.TARGETS, begin.PRECISIONS)
    assert loaded(text)["data"]["test"] == 0


def test_more_examples_need_fewer_epochs() -> None:
    many = Data("npz", "a.npz", 60_000, (), (28, 28, 1))
    text, _ = values.fill(TEXT, "p", many, None, begin.TARGETS, begin.PRECISIONS)
    assert loaded(text)["teacher"]["epochs"] == 6


def test_too_few_examples_are_refused_with_the_counts() -> None:
    few = Data("image_folder", "photos", 6, ("a", "b"), (8, 8, 1))
    with pytest.raises(UsageError, match="6 examples of 2 classes are too few: with 2 to test"):
        values.fill(TEXT, "p", few, None, begin.TARGETS, begin.PRECISIONS)


def test_a_regression_gets_the_scale_of_its_targets(tmp_path: Path) -> None:
    ages = Data(
        "npz", "a.npz", 100, ("age",), (8, 8, 1), task="regression", targets={"age": (20.0, 40.0, 60.0)}
    )
    text, _ = values.fill(TEXT, "p", ages, None, begin.TARGETS, begin.PRECISIONS)
    accepted(text, tmp_path)
    assert loaded(text)["task"]["targets"]["age"] == {"offset": 40.0, "scale": 16.3, "tolerance": 8.15}
    unnamed = Data("npz", "a.npz", 100, (), (8, 8, 1), task="regression")
    with pytest.raises(UsageError, match=r"fill in task\.targets by hand"):
        values.fill(TEXT, "p", unnamed, None, begin.TARGETS, begin.PRECISIONS)


def test_anomalies_are_found_by_an_autoencoder(tmp_path: Path) -> None:
    data = Data("npz", "a.npz", 300, ("anomaly", "normal"), (16, 16, 1), task="anomaly")
    text, _ = values.fill(TEXT, "p", data, None, begin.TARGETS, begin.PRECISIONS)
    accepted(text, tmp_path)
    assert loaded(text)["teacher"]["architecture"] == loaded(text)["student"]["architecture"] == "autoencoder"
    assert loaded(text)["task"] == {"kind": "anomaly", "false_positive_rate": 0.1}


def test_calibration_needs_no_more_examples_than_whole_groups_may_leave() -> None:
    sounds = Data("audio_folder", "words", 400, ("no", "yes"), (24, 40, 1), {"audio": {"group": "^(.+)_"}})
    text, _ = values.fill(TEXT, "p", sounds, None, begin.TARGETS, begin.PRECISIONS)
    assert (loaded(text)["data"]["calibration"], loaded(text)["quantize"]["samples"]) == (40, 20)


def test_few_examples_are_seen_more_often_in_small_batches() -> None:
    few = Data("npz", "a.npz", 80, (), (16, 16, 1))
    text, _ = values.fill(TEXT, "p", few, None, begin.TARGETS, begin.PRECISIONS)
    assert (loaded(text)["teacher"]["epochs"], loaded(text)["teacher"]["batch_size"]) == (50, 16)
