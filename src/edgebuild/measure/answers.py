"""The PNG of one model's answers beside the truth: what it shows depends on the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebuild.measure.accuracy import confusion
from edgebuild.measure.figure import GREY, MODEL_COLOURS, decade_ticks, figure, line_key, marker_key
from edgebuild.measure.plots import confusion_matrix
from edgebuild.tasks.counts import precision_recall, roc

if TYPE_CHECKING:
    from edgebuild.tasks.task import Answers, Labels, Task

__all__ = ["draw"]

#: More labels or targets are not readable in one picture; the first ones are shown.
MOST = 24
BINS = 40


def draw(
    path: Path, task: Task, answers: Answers, labels: Labels, classes: Sequence[str], *, title: str
) -> None:
    """Draw the answers, float ``(n, k)``, of a model on a split with ``labels``.

    A classification is shown as confusion matrix; labels by precision and recall; targets as predicted
    against true values; anomalies as ROC curve and by the scores of both kinds of examples.
    """
    DRAWN[task.kind](path, task, answers, labels, classes, title)


def _classes(
    path: Path, task: Task, answers: Answers, labels: Labels, classes: Sequence[str], title: str
) -> None:
    confusion_matrix(path, confusion(answers, labels), classes, title=title)


def _labels(
    path: Path, task: Task, answers: Answers, labels: Labels, classes: Sequence[str], title: str
) -> None:
    shown = list(classes[:MOST])
    found = [precision_recall(answers[:, at] > 0, labels[:, at]) for at in range(len(shown))]
    with figure(path, 8.0, 0.34 * len(shown) + 1.4) as (axes,):
        for at, (precision, recall) in enumerate(found):
            axes.plot([100 * precision, 100 * recall], [at, at], color="#dddddd", lw=4, zorder=1)
            axes.plot(100 * precision, at, "o", color=MODEL_COLOURS[0], ms=8, zorder=3)
            axes.plot(100 * recall, at, "o", color="white", mec=MODEL_COLOURS[1], mew=2, ms=8, zorder=2)
        axes.set_yticks(
            range(len(shown)),
            [f"{name} ({int(labels[:, at].sum()):,})" for at, name in enumerate(shown)],
        )
        axes.set(title=title, xlabel="%", xlim=(-2, 102), ylim=(len(shown) - 0.4, -0.6))
        axes.legend(
            handles=[
                marker_key("o", MODEL_COLOURS[0], "precision"),
                marker_key("o", "white", "recall", edge=MODEL_COLOURS[1]),
            ],
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )


def _targets(
    path: Path, task: Task, answers: Answers, labels: Labels, classes: Sequence[str], title: str
) -> None:
    count = min(len(classes), 3)
    tolerances = [target.tolerance for target in getattr(task, "targets")]  # noqa: B009 - a regression has them
    with figure(path, 4.4 * count + 0.4, 4.4, columns=count) as panels:
        for at, axes in enumerate(panels):
            truth, found = labels[:, at], answers[:, at]
            low, high = float(min(truth.min(), found.min())), float(max(truth.max(), found.max()))
            ends = np.array([low, high])
            axes.fill_between(
                ends, ends - tolerances[at], ends + tolerances[at], color="#0072B2", alpha=0.12, lw=0
            )
            axes.plot(ends, ends, color=GREY, lw=1)
            axes.plot(truth, found, ".", color=MODEL_COLOURS[1], ms=4, alpha=0.5)
            axes.set(
                title=title if at == 0 else "",
                xlabel=f"true {classes[at]}",
                ylabel=f"predicted {classes[at]}",
            )
        panels[0].legend(
            handles=[line_key("solid", "within tolerance", colour="#c9e0ee", width=6)], loc="upper left"
        )


def _anomalies(
    path: Path, task: Task, answers: Answers, labels: Labels, classes: Sequence[str], title: str
) -> None:
    scores, anomalous = np.maximum(answers[:, 0].astype(np.float64), 1e-9), labels != 0
    false, true = roc(scores, labels)
    with figure(path, 9.6, 4.0, columns=2) as (curve, counts):
        curve.plot([0, 100], [0, 100], color="#cccccc", lw=1)
        curve.step(100 * false, 100 * true, where="post", color=MODEL_COLOURS[0], lw=1.8)
        curve.set(
            title=title, xlabel="false positives, % of normal", ylabel="anomalies found, %", aspect="equal"
        )
        edges = np.geomspace(scores.min(), max(scores.max(), scores.min() * 1.01), BINS + 1)
        for chosen, colour, name in (
            (~anomalous, MODEL_COLOURS[0], classes[0]),
            (anomalous, MODEL_COLOURS[1], classes[1]),
        ):
            counts.hist(scores[chosen], edges.tolist(), color=colour, alpha=0.6, label=name)
        counts.set(
            title="Scores", xlabel="mean squared error of the reconstruction", ylabel="examples", xscale="log"
        )
        decade_ticks(counts, [scores.min(), scores.max()])
        counts.legend()


DRAWN: Mapping[str, Callable[[Path, Task, Any, Any, Sequence[str], str], None]] = {
    "classification": _classes,
    "multilabel": _labels,
    "regression": _targets,
    "anomaly": _anomalies,
}
