"""The sections of the page that depend on the task: answers beside the truth, for each model that is compared.

Each function gives the names that the template of its task uses (template/<kind>.html).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from edgebuild.report import charts
from edgebuild.report.calibration import BINS, Calibration, calibration
from edgebuild.report.classes import LARGEST, classes, matrix
from edgebuild.report.evidence import Evidence
from edgebuild.report.mistakes import SHOWN, mistakes
from edgebuild.report.numbers import number, percent
from edgebuild.report.paired import pair
from edgebuild.report.pictures import data_uri
from edgebuild.report.reliability import reliability
from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.counts import average_precision, f1, precision_recall, roc
from edgebuild.tasks.regression import Regression

__all__ = ["judged"]

#: More rows of labels are not readable as a picture; the table has them all.
LABELS = 24


def judged(evidence: Evidence) -> dict[str, Any]:
    """What the task's part of the page needs: ``sections`` are the (id, title) of its sections, first of all."""
    return {"models": evidence.compared, **JUDGED[evidence.task.kind](evidence)}


def _classification(evidence: Evidence) -> dict[str, Any]:
    test, integer = evidence.test, evidence.integer
    answers = {name: evidence.logits[name] for name in evidence.compared}
    calibrations = {name: calibration(values, test.labels) for name, values in answers.items()}
    rows = classes(test.classes, answers, test.labels)
    lost = None if integer is None else pair(answers[evidence.reference], answers[integer], test.labels)
    return {
        "sections": (("classes", "Classes"), ("calibration", "Calibration")),
        "about": f"{len(test.classes)} classes",
        "classes": rows,
        "most_wrong": max(1 - share for row in rows for share in row.shares if row.images) or 1.0,
        "matrices": [matrix(name, test.classes, values, test.labels) for name, values in answers.items()],
        "class_names": test.classes,
        "long_names": max(map(len, test.classes)) > 3,
        "largest": LARGEST,
        "calibrations": [(name, found, reliability(found, name)) for name, found in calibrations.items()],
        "bins": BINS,
        "calibration_words": _calibration_words(calibrations),
        "lost": lost,
        "mistakes": [] if integer is None else mistakes(test, answers[evidence.reference], answers[integer]),
    }


def _multilabel(evidence: Evidence) -> dict[str, Any]:
    test = evidence.test
    names, truth = test.classes, test.labels
    rows, pictures = [], []
    for at, label in enumerate(names):
        for model in evidence.compared:
            scores, has = evidence.logits[model][:, at], truth[:, at]
            precision, recall = precision_recall(scores > 0, has)
            figures = (precision, recall, f1(scores > 0, has), average_precision(scores, has))
            rows.append((label, model, int(has.sum()), *figures))
    for model in evidence.compared:
        shown = [(row[0], row[3], row[4]) for row in rows if row[1] == model][:LABELS]
        pictures.append((model, charts.precision_recall(shown, model), evidence.variants[model]["metrics"]))
    right = {name: evidence.task.right(evidence.logits[name], truth) for name in evidence.compared}
    taught, lowered = right[evidence.reference], right.get(evidence.integer or "")
    lost = np.zeros(len(test)) if taught is None or lowered is None else (taught & ~lowered).sum(axis=1)

    def told(index: int) -> tuple[str, ...]:
        changed = taught[index] & ~lowered[index] if taught is not None and lowered is not None else ()
        return tuple(
            f"{'misses' if truth[index, at] else 'claims'} {names[at]}"
            for at in np.flatnonzero(np.asarray(changed))
        )

    return {
        "sections": (("labels", "Labels"),),
        "about": f"{len(names)} labels",
        "labels": rows,
        "pictures": pictures,
        "lost": int(lost.sum()),
        "shown": _shown(evidence, lost, told),
    }


def _regression(evidence: Evidence) -> dict[str, Any]:
    test, task = evidence.test, cast(Regression, evidence.task)
    rows, pictures = [], []
    for at, target in enumerate(task.targets):
        truth, drawn = test.labels[:, at], []
        suffix = f".{target.name}" if len(task.targets) > 1 else ""
        for model in evidence.compared:
            answers = evidence.logits[model][:, at]
            close = float((np.abs(answers - truth) <= target.tolerance).mean())
            figures = evidence.variants[model]["metrics"]
            rows.append(
                (target, model, close, *(figures[f"{name}{suffix}"] for name in ("mae", "rmse", "r2")))
            )
            drawn.append(
                (
                    model,
                    charts.scatter(truth, answers, tolerance=target.tolerance, name=model, what=target.name),
                    charts.errors(answers - truth, tolerance=target.tolerance, name=model, what=target.name),
                )
            )
        pictures.append((target.name, drawn))
    lost, deltas = np.zeros(len(test)), np.zeros((len(test), len(task.targets)))
    if evidence.integer is not None:
        one, two = (evidence.logits[name] for name in (evidence.reference, evidence.integer))
        right, kept = (task.right(values, test.labels) for values in (one, two))
        scale = np.array([target.tolerance for target in task.targets])
        deltas = np.abs(two - test.labels) / scale
        lost = (
            np.where(right & ~kept, deltas.max(axis=1), 0.0)
            if right is not None and kept is not None
            else lost
        )

    def told(index: int) -> tuple[str, ...]:
        at = int(deltas[index].argmax())
        found = evidence.logits[evidence.integer or evidence.reference][index, at]
        return (
            f"{test.classes[at]} {number(float(test.labels[index, at]))}",
            f"int8 says {number(float(found))}",
        )

    return {
        "sections": (("targets", "Targets"),),
        "about": f"{len(task.targets)} target{'s' if len(task.targets) > 1 else ''}",
        "targets": rows,
        "pictures": pictures,
        "lost": int((lost > 0).sum()),
        "shown": _shown(evidence, lost, told),
    }


def _anomaly(evidence: Evidence) -> dict[str, Any]:
    test, task = evidence.test, cast(AnomalyDetection, evidence.task)
    anomalous = test.labels != 0
    rows, pictures, curves = [], [], []
    for at, model in enumerate(evidence.compared):
        scores = evidence.logits[model]
        threshold = task.settled(scores, test.labels).threshold or 0.0
        false, true = roc(scores[:, 0], test.labels)
        curves.append((model, ("first", "second", "third")[at], false, true))
        picture = charts.scores(scores[~anomalous, 0], scores[anomalous, 0], threshold=threshold, name=model)
        pictures.append((model, picture))
        entry = evidence.variants[model]
        rows.append((model, entry["accuracy"], entry["accuracy_ci95"], entry["metrics"], threshold))
    settled = task.settled(evidence.logits[evidence.reference], test.labels)
    level = settled.threshold or 0.0
    scores = evidence.logits[evidence.integer or evidence.reference]
    changed = ~settled.alike(scores, evidence.logits[evidence.reference])
    apart = np.abs(np.log(np.maximum(scores[:, 0], 1e-12) / max(level, 1e-12)))

    def told(index: int) -> tuple[str, ...]:
        is_one = "an anomaly" if anomalous[index] else "normal"
        said = "an anomaly" if scores[index, 0] > level else "normal"
        return (f"is {is_one}", f"int8 says {said}", f"score {scores[index, 0]:.3g}")

    return {
        "sections": (("anomalies", "Anomalies"),),
        "about": f"{int(anomalous.sum()):,} anomalies and {int((~anomalous).sum()):,} normal examples to tell apart",
        "anomalies": rows,
        "rate": task.rate,
        "level": level,
        "curves": charts.roc(curves),
        "pictures": pictures,
        "lost": int(changed.sum()),
        "shown": _shown(evidence, np.where(changed, apart + 1e-9, 0.0), told),
    }


def _shown(
    evidence: Evidence, weight: npt.NDArray[np.floating], told: Callable[[int], tuple[str, ...]]
) -> list[tuple[int, str, tuple[str, ...]]]:
    """Index, picture and words of the examples of positive ``weight``, the heaviest first."""
    order = [int(at) for at in np.argsort(-weight, kind="stable")[:SHOWN] if weight[at] > 0]
    test = evidence.test
    return [(at, data_uri(test.images[at], test.scale), told(at)) for at in order]


def _calibration_words(found: Mapping[str, Calibration]) -> list[str]:
    """For each model whether it is proven to be too sure of itself, or not sure enough."""
    words = []
    for name, one in found.items():
        if one.error <= one.limit:
            words.append(
                f"{name}: no miscalibration is proven; its ECE is within what chance makes of so few examples."
            )
        else:
            way = "too sure of itself" if one.confidence > one.accuracy else "not sure enough of itself"
            means = f"mean confidence {percent(one.confidence)}, accuracy {percent(one.accuracy)}"
            words.append(f"{name} is {way}: {means}.")
    return words


JUDGED: Mapping[str, Callable[[Evidence], dict[str, Any]]] = {
    "classification": _classification,
    "multilabel": _multilabel,
    "regression": _regression,
    "anomaly": _anomaly,
}
