"""The page of each task: its own sections, figures that are right, and nothing of other tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgebuild.data.split import Split
from edgebuild.graph.count import Counts
from edgebuild.measure.answers import draw
from edgebuild.measure.size import FileFacts
from edgebuild.measure.summary import summary
from edgebuild.report.evidence import Evidence
from edgebuild.report.judged import judged
from edgebuild.report.page import page
from edgebuild.report.paired import Difference, Paired, difference
from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.classification import Classification
from edgebuild.tasks.multilabel import MultiLabel
from edgebuild.tasks.regression import Regression, Target
from edgebuild.variant import Variant
from tests.report.test_page import Document

COUNT = 80
TEACHER, INTEGER = "teacher-keras-fp32", "pruned-litert-int8"
TARGETS = (Target("age", 40.0, 15.0, 5.0), Target("weight", 70.0, 10.0, 4.0))


def given(kind: str) -> tuple[Any, Any, tuple[str, ...], Any]:
    """A task, labels, classes, and the teacher's answers, which are mostly right."""
    rng = np.random.default_rng(4)
    if kind == "multilabel":
        labels = rng.integers(0, 2, (COUNT, 2))
        return (
            MultiLabel(),
            labels,
            ("red", "<i>round</i>"),
            rng.normal(4.0 * labels - 2, 1).astype(np.float32),
        )
    if kind == "regression":
        truth = rng.normal((40, 70), (15, 10), (COUNT, 2)).astype(np.float32)
        return (
            Regression(TARGETS),
            truth,
            ("age", "weight"),
            truth + rng.normal(0, 2, truth.shape).astype(np.float32),
        )
    labels = np.arange(COUNT) % 2
    scores = (rng.lognormal(-4, 0.4, (COUNT, 1)) * (1 + labels[:, None])).astype(np.float32)
    return AnomalyDetection(0.1), labels, ("normal", "anomaly"), scores


@pytest.fixture
def of(evidence: Evidence) -> Any:
    def make(kind: str) -> Evidence:
        task, labels, classes, taught = given(kind)
        noise = np.random.default_rng(5).normal(0, 1, taught.shape).astype(np.float32)
        other = {
            "multilabel": taught + 2 * noise,
            "regression": taught + 3 * noise,
            "anomaly": taught * (1 + noise / 4),
        }
        answers = dict.fromkeys(evidence.logits, other[kind]) | {TEACHER: taught}
        variants = [Variant.parse(name) for name in answers]
        exported = [variant for variant in variants if variant.format != "keras"]
        verdict = {"labels": 1.0, "equal": None, "steps": None, "error": 0.0}
        found = summary(
            variants,
            task=task,
            dataset=evidence.summary["dataset"],
            reference=TEACHER,
            sources={variant.id: f"{variant.model}-keras-fp32" for variant in exported},
            labels=labels,
            predictions=answers,
            files={name: FileFacts("0" * 64, 100, 50) for name in answers},
            counts=dict.fromkeys(answers, Counts(29, 29, 294)),
            verdicts={variant.id: verdict for variant in exported},
        )
        images = np.random.default_rng(1).integers(0, 17, (COUNT, 4, 4, 1), np.uint8)
        test = Split(images, labels, 1 / 16, classes)
        return replace(evidence, task=task, test=test, logits=answers, summary=found)

    return make


WORDS = {
    "multilabel": (
        "Label by label",
        "label accuracy % (95% CI)",
        "paired z-test over examples",
        "mean average precision",
    ),
    "regression": (
        "Target by target",
        "share within tolerance % (95% CI)",
        "McNemar’s test",
        "2 targets;",
    ),
    "anomaly": ("Normal or not", "AUC % (95% CI)", "DeLong’s test", "40 anomalies and 40 normal examples"),
}


@pytest.mark.parametrize("kind", WORDS)
def test_the_page_of_a_task_has_its_own_sections_and_no_others(of: Any, kind: str) -> None:
    document = Document(page(of(kind)))
    for words in WORDS[kind]:
        assert words in document.text, words
    for other in ("Class by class", "Can the confidence be believed?", "accuracy on the test split"):
        assert other not in document.text.replace("label accuracy", "")
    ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert {link["href"] for link in document.all("a")} == {f"#{name}" for name in ids}


def test_names_of_labels_are_text_and_never_markup(of: Any) -> None:
    written = page(of("multilabel"))
    assert "<i>round" not in written
    assert "&lt;i&gt;round&lt;/i&gt;" in written


def test_the_table_of_targets_has_the_errors_in_units(of: Any) -> None:
    evidence = of("regression")
    target, model, close, mae, rmse, r2 = judged(evidence)["targets"][0]
    error = evidence.logits[TEACHER][:, 0] - evidence.test.labels[:, 0]
    assert (target.name, model) == ("age", TEACHER)
    assert (close, mae) == (
        pytest.approx((np.abs(error) <= 5).mean()),
        pytest.approx(np.abs(error).mean(), rel=1e-5),
    )
    assert rmse == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-5)
    assert 0.9 < r2 < 1


def test_examples_that_only_int8_gets_wrong_are_shown_farthest_first(of: Any) -> None:
    evidence = of("regression")
    found = judged(evidence)
    right = [evidence.task.right(evidence.logits[name], evidence.test.labels) for name in (TEACHER, INTEGER)]
    assert found["lost"] == (right[0] & ~right[1]).sum() > 1
    assert all(right[0][index] and not right[1][index] for index, *_ in found["shown"])
    assert all(words[1].startswith("int8 says") for *_, words in found["shown"])


def test_decisions_of_anomalies_are_compared_at_one_threshold(of: Any) -> None:
    evidence = of("anomaly")
    found = judged(evidence)
    called = [evidence.logits[name][:, 0] > found["level"] for name in (TEACHER, INTEGER)]
    assert found["lost"] == (called[0] != called[1]).sum() > 0


@pytest.mark.parametrize(
    ("kind", "what"), [("multilabel", Difference), ("regression", Paired), ("anomaly", Difference)]
)
def test_a_model_does_not_differ_from_itself_and_a_worse_one_is_proven_worse(kind: str, what: Any) -> None:
    task, labels, _, taught = given(kind)
    same = difference(task, taught, taught, labels)
    assert isinstance(same, what)
    assert (same.p, same.worse) == (1.0, False)
    noise = np.random.default_rng(0).normal(0, 1, taught.shape)
    bad = {"multilabel": -taught, "regression": taught + 20, "anomaly": np.abs(noise)}[kind].astype(
        np.float32
    )
    assert difference(task, taught, bad, labels).worse
    assert not difference(task, bad, taught, labels).worse


@pytest.mark.parametrize("kind", ["classification", *WORDS])
def test_the_answers_of_each_task_are_drawn_to_the_same_bytes(tmp_path: Any, kind: str) -> None:
    if kind == "classification":
        task, labels, classes, taught = (
            Classification(),
            np.arange(9) % 3,
            ("a", "b", "c"),
            np.eye(3)[np.arange(9) % 3],
        )
    else:
        task, labels, classes, taught = given(kind)
    for name in ("one", "two"):
        draw(tmp_path / name, task, taught, labels, classes, title="teacher")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes().startswith(b"\x89PNG")
