"""Anomaly detection by reconstruction: a network that was trained on normal examples cannot repeat others well.

The outputs are a reconstruction of the input, value by value; the answer is one
score per example, the mean squared error of the reconstruction, as in MLPerf Tiny
(Banbury et al. 2021) and the baseline of DCASE 2020, task 2. Training sees
normal examples only; the test split has both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError, Finding
from edgebuild.measure.accuracy import of_split
from edgebuild.tasks.counts import auc, auc_interval, partial_auc
from edgebuild.tasks.regression import blended
from edgebuild.tasks.task import Answers, Images, Labels, Outputs, Reals, Score, Truth
from edgebuild.train.losses import Loss

__all__ = ["AnomalyDetection"]

#: A variance below this (of values in [0, 1]) is taken for it: an example without any has nothing to explain.
FLAT = 1e-6


@dataclass(frozen=True)
class AnomalyDetection:
    """An example is called an anomaly where its score is above ``threshold``.

    ``rate`` is the share of normal examples that may be called so by mistake;
    :meth:`settled` finds the threshold by it. The protocol is explained in
    :class:`edgebuild.tasks.task.Task`.
    """

    rate: float
    threshold: float | None = None
    kind: str = "anomaly"
    quality: str = "AUC"
    figure: str = "explained variance"
    numeric: bool = True

    def check(self, labels: Labels, classes: Sequence[str], where: str) -> None:
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.any():
            what = (
                f"{np.count_nonzero(labels):,} others"
                if labels.ndim == 1
                else f"labels of shape {labels.shape}"
            )
            raise DataError(
                f"{where}: task anomaly trains on normal examples only (label 0), but it has {what}; "
                f"set task.kind to what the data are for"
            )

    def outputs(self, shape: Sequence[int], classes: Sequence[str]) -> int:
        return prod(shape)

    def width(self, classes: Sequence[str]) -> int:
        return 1

    def names(self, classes: Sequence[str]) -> tuple[str, ...]:
        return ()

    @property
    def units(self) -> tuple[tuple[float, float], ...]:
        return ()

    def truth(self, images: Images, labels: Labels, scale: float) -> Truth:
        """The images themselves as networks take them, flat."""
        return images.reshape(len(images), -1).astype(np.float32) * np.float32(scale)

    def loss(self, tf: Any, outputs: Any, truth: Any, teacher: Any) -> Any:
        """Mean squared error of the reconstruction."""
        del teacher
        return tf.reduce_mean(tf.square(outputs - truth))

    def distillation(self, temperature: float, alpha: float) -> Loss:
        """``alpha·MSE(teacher's reconstruction) + (1−alpha)·MSE(input)``, as in :mod:`edgebuild.tasks.regression`."""
        return blended(alpha)

    def correct(self, tf: Any, outputs: Any, truth: Any) -> Any:
        lost = tf.reduce_mean(tf.square(outputs - truth), axis=-1)
        spread = tf.math.reduce_variance(truth, axis=-1)
        return tf.reduce_sum(tf.maximum(1 - lost / tf.maximum(spread, FLAT), 0.0))

    def validate(self, outputs: Outputs, truth: Truth) -> tuple[Answers, Answers]:
        lost = np.square(outputs - truth).mean(axis=1)
        return lost, np.maximum(1 - lost / np.maximum(truth.var(axis=1), FLAT), 0.0)

    def as_outputs(self, answers: Outputs) -> Outputs:
        return answers

    def answers(self, outputs: Outputs, images: Reals) -> Answers:
        """The score of each example, ``(n, 1)``."""
        error = outputs.astype(np.float64) - images.reshape(len(images), -1)
        return np.asarray(np.square(error).mean(axis=1, keepdims=True), np.float32)

    def settled(self, answers: Answers, labels: Labels) -> AnomalyDetection:
        """With the threshold that the share ``rate`` of normal examples exceeds."""
        return replace(
            self, threshold=float(np.quantile(answers[labels == 0], 1 - self.rate, method="higher"))
        )

    def alike(self, answers: Answers, reference: Answers, step: float = 0.0) -> npt.NDArray[np.bool_]:
        """The same decision, or a score of the reference so close to the threshold that one step could change it.

        If every output moves by at most ``step``, a mean squared error e moves by at most ``2·step·√e + step²``.
        """
        if self.threshold is None:
            raise ValueError("decisions need a threshold: use the task that settled() gives")
        expected = reference[:, 0].astype(np.float64)
        reach = 2 * step * np.sqrt(expected) + step**2
        same = (answers[:, 0] > self.threshold) == (expected > self.threshold)
        return np.asarray(same | (np.abs(expected - self.threshold) <= reach) if step else same)

    def right(self, answers: Answers, labels: Labels) -> npt.NDArray[np.bool_] | None:
        return None

    def score(self, answers: Answers, labels: Labels) -> Score:
        """The area under the ROC curve, with Newcombe's interval."""
        scores = of_split(answers, labels)[:, 0]
        anomalies = int(np.count_nonzero(labels))
        if not 0 < anomalies < len(labels):
            raise Finding(
                f"an AUC needs normal examples and anomalies, but of {len(labels):,} examples {anomalies:,} are "
                f"anomalies; give the test split both"
            )
        found = auc(scores, labels)
        return Score(found, *auc_interval(found, anomalies, len(labels) - anomalies))

    def metrics(self, answers: Answers, labels: Labels) -> Mapping[str, float]:
        """The AUC up to the false positive rate ``rate``, and the share of anomalies found at that rate."""
        threshold = self.settled(answers, labels).threshold
        return {
            "partial_auc": partial_auc(answers[:, 0], labels, self.rate),
            "recall_at_rate": float((answers[labels != 0, 0] > threshold).mean()),
        }

    def divergence(
        self, reference: Outputs, outputs: Outputs, *, probabilities: bool
    ) -> npt.NDArray[np.float64]:
        """KL of normal distributions of variance 1: half the squared distance of the reconstructions."""
        return np.asarray(np.square(outputs.astype(np.float64) - reference).sum(axis=1) / 2)
