"""The tasks by their names in params.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.tasks.classification import Classification
from edgebuild.tasks.task import Task

if TYPE_CHECKING:
    from edgebuild.params.task import Task as Section

__all__ = ["open_task"]


def open_task(section: Section) -> Task:
    """The task that section ``task`` of params.yaml states."""
    assert section.kind == "classification", section.kind
    return Classification()
