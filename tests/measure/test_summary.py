"""The contract's two metric files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.errors import Finding
from edgebuild.graph.count import Counts
from edgebuild.json_file import write_json
from edgebuild.measure.latency import Latency
from edgebuild.measure.measurement import Measurement
from edgebuild.measure.size import FileFacts
from edgebuild.measure.summary import latency_table, summary
from edgebuild.tasks.classification import Classification
from edgebuild.variant import Variant

TEACHER = Variant("teacher", "keras", "fp32")
EXPORT = Variant("teacher", "litert", "int8")
RIGHT = np.array([[3.0, 1.0], [0.0, 2.0], [5.0, 1.0]], np.float32)
ONE_WRONG = np.array([[3.0, 1.0], [0.0, 2.0], [1.0, 1.1234567]], np.float32)


def inputs(**changes: Any) -> dict[str, Any]:
    ids = (TEACHER.id, EXPORT.id)
    return {
        "task": Classification(),
        "dataset": {"name": "pets"},
        "reference": TEACHER.id,
        "sources": {EXPORT.id: TEACHER.id},
        "labels": np.array([0, 1, 0]),
        "predictions": {TEACHER.id: RIGHT, EXPORT.id: ONE_WRONG},
        "files": dict.fromkeys(ids, FileFacts("ab", 100, 50)),
        "counts": dict.fromkeys(ids, Counts(10, 9, 800)),
        "verdicts": {EXPORT.id: {"images": 3, "labels": 1.0, "equal": 0.999, "steps": 1}},
    } | changes


def test_it_has_the_fields_of_the_contract_in_order() -> None:
    found = summary([TEACHER, EXPORT], **inputs())
    assert list(found) == ["schema", "task", "quality", "dataset", "reference", "variants"]
    assert list(found["variants"][0]) == [
        "id",
        "model",
        "format",
        "precision",
        "path",
        "sha256",
        "size_bytes",
        "gzip_bytes",
        "parameters",
        "nonzero_parameters",
        "macs",
        "accuracy",
        "accuracy_ci95",
        "accuracy_drop",
        "metrics",
        "agreement_with_reference",
        "agreement_with_source",
        "max_abs_error",
        "oracle_labels",
        "oracle_equal",
        "oracle_steps",
        "oracle_outputs",
    ]


def test_a_variant_is_judged_against_the_reference_and_its_source() -> None:
    teacher, export = summary([TEACHER, EXPORT], **inputs())["variants"]
    assert (teacher["accuracy"], teacher["accuracy_drop"], teacher["accuracy_ci95"]) == (
        1.0,
        0.0,
        [0.438503, 1.0],
    )
    assert export["accuracy"] == 0.666667
    assert export["accuracy_drop"] == 0.333333
    assert export["accuracy_ci95"] == [0.20766, 0.938508]
    assert export["agreement_with_reference"] == export["agreement_with_source"] == 0.666667
    assert export["max_abs_error"] == 4.0


def test_errors_have_six_significant_digits() -> None:
    other = RIGHT + np.float32(0.000123456789)
    found = summary([TEACHER, EXPORT], **inputs(predictions={TEACHER.id: RIGHT, EXPORT.id: other}))
    assert len(str(found["variants"][1]["max_abs_error"]).strip("0.").replace("e-05", "")) <= 7
    assert found["variants"][1]["max_abs_error"] == pytest.approx(0.000123, rel=1e-2)


def test_a_model_that_was_not_exported_is_not_compared_with_itself() -> None:
    teacher = summary([TEACHER, EXPORT], **inputs())["variants"][0]
    assert teacher["agreement_with_reference"] == 1.0
    assert teacher["agreement_with_source"] is None
    assert teacher["max_abs_error"] is None


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("predictions", "a prediction is required"),
        ("files", "a file is required"),
        ("counts", "a count of its parameters is required"),
        ("sources", "a source is required"),
    ],
)
def test_anything_missing_names_the_variant(what: str, message: str) -> None:
    given = inputs()
    del given[what][EXPORT.id]
    with pytest.raises(Finding, match=f"{EXPORT.id}: {message}"):
        summary([TEACHER, EXPORT], **given)


def test_a_missing_prediction_of_a_source_names_both() -> None:
    given = inputs(sources={EXPORT.id: "student-keras-fp32"})
    with pytest.raises(
        Finding, match="student-keras-fp32: a prediction, as the source of teacher-litert-int8"
    ):
        summary([TEACHER, EXPORT], **given)


def test_a_reference_that_is_no_variant_is_a_finding() -> None:
    with pytest.raises(Finding, match="the reference teacher-keras-fp32 must be among the variants"):
        summary([EXPORT], **inputs())


@pytest.mark.parametrize("bad", [np.full((3, 2), np.nan), np.zeros((2, 2)), np.zeros(3)])
def test_bad_logits_name_the_variant(bad: Any) -> None:
    with pytest.raises(Finding, match="teacher-litert-int8: "):
        summary([TEACHER, EXPORT], **inputs(predictions={TEACHER.id: RIGHT, EXPORT.id: bad}))


def test_latencies_have_the_fields_of_the_contract_and_say_what_was_not_run() -> None:
    latency = Latency(p50=1.0, p90=2.0, p99=3.0, mean=1.5, runs=10, batch=1, blocks=(1.0, 1.5))
    measurements = {
        TEACHER.id: Measurement(2, latency, 5.0, 900.0, 10_000, None),
        EXPORT.id: Measurement(1, None, None, None, None, "no runtime here"),
    }
    found = latency_table([TEACHER, EXPORT], host={"cpu": "x"}, measurements=measurements)
    teacher, export = found["variants"]
    assert found["host"] == {"cpu": "x"}
    assert teacher["latency_us"] == {"p50": 1.0, "p90": 2.0, "p99": 3.0, "mean": 1.5}
    assert (teacher["blocks_us"], export["blocks_us"]) == ([1.0, 1.5], None)
    assert (teacher["threads"], teacher["load_ms"], teacher["peak_rss_bytes"]) == (2, 5.0, 10_000)
    assert teacher["not_run"] is None
    assert (export["latency_us"], export["load_ms"], export["peak_rss_bytes"]) == (None, None, None)
    assert export["not_run"] == "no runtime here"


def test_a_missing_measurement_names_the_variant() -> None:
    with pytest.raises(Finding, match="teacher-keras-fp32: a measurement is required"):
        latency_table([TEACHER], host={}, measurements={})


def test_json_keeps_the_order_and_ends_with_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": 1, "a": ["µ", 0.1]})
    text = (tmp_path / "x.json").read_bytes().decode("utf-8")
    assert text == '{\n  "b": 1,\n  "a": [\n    "µ",\n    0.1\n  ]\n}\n'
    assert list(json.loads(text)) == ["b", "a"]


def test_json_without_a_meaning_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()
