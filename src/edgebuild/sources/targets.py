"""Whether the labels of a source suit the task, and the two classes that anomaly detection makes of many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgebuild.data.check import Part
from edgebuild.data.images import Labels
from edgebuild.errors import DataError
from edgebuild.sources.source import Source

__all__ = ["ANOMALY", "NORMAL", "suited"]

#: The class that training sees; every other one counts as anomaly.
NORMAL = "normal"
ANOMALY = "anomaly"

WANTED = {
    "classification": "one class per example",
    "multilabel": "0 or 1 for every class of an example",
    "regression": "float targets for every example",
    "anomaly": "one class per example",
}


def suited(source: Source, task: str) -> Source:
    """``source`` with labels as ``task`` takes them.

    For anomaly detection, the class called ``normal`` becomes 0 and every other
    class 1.

    Raises:
        DataError: the labels are of another form, or no class is called normal.
    """
    found = form(source.labels)
    if (task if task != "anomaly" else "classification") != found:
        raise DataError(
            f"task.kind: {task} needs {WANTED[task]}, but data.source gives {WANTED[found]}; "
            f"set task.kind to {found}, or give other labels"
        )
    return source if task != "anomaly" else _two_classes(source)


def form(labels: Labels) -> str:
    """The task that labels of this dtype and shape are for."""
    if labels.ndim == 1:
        return "classification"
    return "regression" if labels.dtype.kind == "f" else "multilabel"


def _two_classes(source: Source) -> Source:
    if NORMAL not in source.classes:
        raise DataError(
            f"task.kind: anomaly needs a class called {NORMAL}, which all others are judged against, but the classes "
            f"are {', '.join(source.classes)}; rename the one that is normal"
        )
    normal = source.classes.index(NORMAL)

    def relabelled(labels: Labels) -> Labels:
        return np.where(labels == normal, 0, 1).astype(np.int64)

    test = source.test
    return replace(
        source,
        labels=relabelled(source.labels),
        classes=(NORMAL, ANOMALY),
        test=None if test is None else Part(test.images, relabelled(test.labels)),
    )
