"""Section ``task`` of params.yaml: what the network is asked, and how its answers are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from edgebuild.strict import Range

__all__ = ["Target", "Task"]

#: kind → the keys that it has besides.
KEYS: Mapping[str, tuple[str, ...]] = {
    "classification": (),
    "multilabel": (),
    "regression": ("targets",),
    "anomaly": ("false_positive_rate",),
}
EXAMPLES: Mapping[str, str] = {
    "targets": "targets: {age: {offset: 40.0, scale: 15.0, tolerance: 5.0}}",
    "false_positive_rate": "false_positive_rate: 0.1",
}


@dataclass(frozen=True)
class Target:
    """One number that a regression predicts, in its own unit."""

    offset: float  #: about the mean of the training targets
    scale: Annotated[float, Range(0.0, 1e12, open_low=True)]  #: about their standard deviation
    tolerance: Annotated[float, Range(0.0, 1e12, open_low=True)]  #: an answer this close is good enough


@dataclass(frozen=True)
class Task:
    """What the network is asked."""

    kind: Literal["classification", "multilabel", "regression", "anomaly"]
    targets: Mapping[str, Target] | None = (
        None  #: regression: the targets by the names that the data give them
    )
    false_positive_rate: Annotated[float, Range(0.0, 1.0, open_low=True, open_high=True)] | None = (
        None  #: anomaly: share of normal examples that may be called anomalies
    )

    def problems(self) -> list[str]:
        """What is missing or needless for this kind, a line each."""
        found = []
        for key, example in EXAMPLES.items():
            stated, needed = getattr(self, key) is not None, key in KEYS[self.kind]
            if needed and not stated:
                found.append(f"task.{key}: missing; {self.kind} needs it, such as `{example}`")
            if stated and not needed:
                found.append(
                    f"task.{key}: {self.kind} has no use for it; remove it, or set another task.kind"
                )
        return found
