"""Small builds with known answers, for the tests of the gates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.gates.results import Results
from edgebuild.tasks.classification import Classification
from edgebuild.tasks.task import Task
from edgebuild.variant import Variant

__all__ = ["EXAMPLES", "TEACHER", "answered", "build", "time"]

TEACHER = "teacher-keras-fp32"
EXAMPLES = 400


def answered(wrong: range, classes: int = 4, examples: int = EXAMPLES) -> npt.NDArray[np.float32]:
    """Logits that are right (class ``index % classes``) but for the examples ``wrong``, which get the next class."""
    label = np.arange(examples) % classes
    label[list(wrong)] = (label[list(wrong)] + 1) % classes
    return np.eye(classes, dtype=np.float32)[label]


def time(p50: float, noise: float = 0.01, **others: Any) -> dict[str, Any]:
    """An entry of latency.json without its id: 2,000 runs with blocks that vary by ``noise``."""
    blocks = (p50 * (1 + noise * np.random.default_rng(1).standard_normal(20))).tolist()
    latency = {"p50": p50, "p90": 1.1 * p50, "p99": 1.5 * p50, "mean": p50}
    entry = {"latency_us": latency, "runs": 2000, "blocks_us": blocks, "peak_rss_bytes": 50_000_000}
    return entry | {"not_run": None} | others


def build(
    answers: Mapping[str, npt.NDArray[np.float32]],
    *,
    times: Mapping[str, Mapping[str, Any]] | None = None,
    entries: Mapping[str, Mapping[str, Any]] | None = None,
    labels: npt.NDArray[Any] | None = None,
    task: Task | None = None,
    kept: bool = True,
    test_set: str = "t",
    machines: Mapping[str, str] | None = None,
) -> Results:
    """A build of the variants in ``answers``, the teacher among them; ``kept`` says whether their answers are at hand.

    ``entries`` has what differs in a variant's entry of the summary.
    """
    asked: Task = task or Classification()
    true = np.arange(EXAMPLES) % 4 if labels is None else labels
    summary = {
        "task": asked.kind,
        "dataset": {"splits": {"test": {"images": len(true), "sha256": test_set}}},
        "reference": TEACHER,
        "variants": [_entry(name, asked, true, answers) | (entries or {}).get(name, {}) for name in answers],
    }
    timed = times or {}
    unknown = time(10.0, latency_us=None, peak_rss_bytes=None, not_run="needs macOS")
    latency = {"variants": [{"id": name, **timed.get(name, unknown)} for name in answers]}
    given = answers if kept else {}
    return Results(summary, latency, asked, given, true if kept else true[:0], machines or {})


def _entry(
    name: str, task: Task, labels: npt.NDArray[Any], answers: Mapping[str, npt.NDArray[np.float32]]
) -> dict[str, Any]:
    variant, score = Variant.parse(name), task.score(answers[name], labels)
    agreement = float(np.mean(answers[name].argmax(axis=1) == answers[TEACHER].argmax(axis=1)))
    keras = variant.format == "keras"
    return {
        "id": name,
        "model": variant.model,
        "format": variant.format,
        "precision": variant.precision,
        "sha256": f"{name}{answers[name].tobytes().hex()[:4000]}",
        "size_bytes": 10_000,
        "gzip_bytes": 8_000,
        "accuracy": round(score.value, 6),
        "accuracy_ci95": [score.low, score.high],
        "agreement_with_reference": round(agreement, 6),
        "oracle_labels": None if keras else 1.0,
        "oracle_equal": 0.999 if variant.precision == "int8" else None,
        "oracle_steps": None,
    }
