"""The tasks by their names in params.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.classification import Classification
from edgebuild.tasks.multilabel import MultiLabel
from edgebuild.tasks.regression import Regression, Target
from edgebuild.tasks.task import Task

if TYPE_CHECKING:
    from edgebuild.params.task import Task as Section

__all__ = ["open_task"]


def open_task(section: Section) -> Task:
    """The task that section ``task`` of params.yaml, which has been checked, states."""
    if section.kind == "regression":
        stated = (section.targets or {}).items()
        return Regression(tuple(Target(name, one.offset, one.scale, one.tolerance) for name, one in stated))
    if section.kind == "anomaly":
        return AnomalyDetection(section.false_positive_rate or 0.0)
    return MultiLabel() if section.kind == "multilabel" else Classification()
