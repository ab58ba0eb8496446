"""The curve of a training: one row per epoch, shown while it goes on and kept as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgebuild.train.loop import Epoch

__all__ = ["History"]


@dataclass
class History:
    """Collects epochs; each goes on to tracking (``on_metrics``) and to the console (``on_progress``)."""

    on_metrics: Callable[[Mapping[str, float], int], None]
    on_progress: Callable[[int, int, str], None]
    figure: str = "accuracy"  #: what the task's curves of that name are
    epochs: list[Epoch] = field(default_factory=list)

    def add(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        self.on_metrics(epoch.metrics, epoch.number)
        self.on_progress(epoch.number, epoch.epochs, self.last)

    @property
    def last(self) -> str:
        """How the latest epoch ended, in words."""
        metrics = self.epochs[-1].metrics
        return f"loss {metrics['loss']:.4f}, validation {self.figure} {metrics['val_accuracy']:.4f}"

    def write(self, path: Path) -> None:
        """Write columns epoch, loss, accuracy, val_loss, val_accuracy; six significant digits."""
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["epoch", *self.epochs[0].metrics])
            for epoch in self.epochs:
                writer.writerow([epoch.number, *(f"{value:.6g}" for value in epoch.metrics.values())])
