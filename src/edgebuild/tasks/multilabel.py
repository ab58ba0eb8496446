"""Multi-label: any number of the classes per example. An output is the logit of one label, whatever the others are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.measure.accuracy import clustered, of_split
from edgebuild.tasks.counts import average_precision, f1
from edgebuild.tasks.task import Answers, Images, Labels, Outputs, Reals, Score, Truth
from edgebuild.train.losses import Loss

__all__ = ["MultiLabel"]

#: Probabilities are kept this far from 0 and 1, so that their logits stay finite.
SMALLEST = np.float32(1e-7)


@dataclass(frozen=True)
class MultiLabel:
    """A label is decided where its probability, the sigmoid of its logit, is above one half.

    The protocol is explained in :class:`edgebuild.tasks.task.Task`.
    """

    kind: str = "multilabel"
    quality: str = "label accuracy"
    figure: str = "label accuracy"
    numeric: bool = False

    def check(self, labels: Labels, classes: Sequence[str], where: str) -> None:
        if labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.shape[1] != len(classes):
            raise DataError(
                f"{where}: task multilabel needs 0 or 1 for each of {len(classes)} labels of an example, but they "
                f"are {labels.dtype} of shape {labels.shape}; set task.kind to what the data are for"
            )

    def outputs(self, shape: Sequence[int], classes: Sequence[str]) -> int:
        return len(classes)

    def width(self, classes: Sequence[str]) -> int:
        return len(classes)

    def names(self, classes: Sequence[str]) -> tuple[str, ...]:
        return tuple(classes)

    @property
    def units(self) -> tuple[tuple[float, float], ...]:
        return ()

    def truth(self, images: Images, labels: Labels, scale: float) -> Truth:
        return labels

    def loss(self, tf: Any, outputs: Any, truth: Any, teacher: Any) -> Any:
        """Mean over examples and labels of the binary cross-entropy, in nats."""
        del teacher
        return tf.reduce_mean(_entropies(tf, tf.cast(truth, tf.float32), outputs))

    def distillation(self, temperature: float, alpha: float) -> Loss:
        """``alpha·T²·KL(σ(teacher/T) ‖ σ(student/T)) + (1−alpha)·BCE``, label by label.

        Hinton, Vinyals and Dean 2015 for each label as a problem of two classes,
        which is how Yang et al. 2023, "Multi-Label Knowledge Distillation", take
        logits apart.
        """

        def loss(tf: Any, outputs: Any, truth: Any, teacher: Any) -> Any:
            hard = self.loss(tf, outputs, truth, None)
            told = tf.sigmoid(teacher / temperature)
            cross = _entropies(tf, told, outputs / temperature)
            own = _entropies(tf, told, teacher / temperature)
            return alpha * temperature**2 * tf.reduce_mean(cross - own) + (1 - alpha) * hard

        return loss

    def correct(self, tf: Any, outputs: Any, truth: Any) -> Any:
        right = tf.cast(tf.equal(outputs > 0, truth > 0), tf.float32)
        return tf.reduce_sum(tf.reduce_mean(right, axis=-1))

    def validate(self, outputs: Outputs, truth: Truth) -> tuple[Answers, Answers]:
        entropies = np.logaddexp(0, outputs) - outputs * truth
        return entropies.mean(axis=1), np.asarray(((outputs > 0) == (truth > 0)).mean(axis=1))

    def as_outputs(self, answers: Outputs) -> Outputs:
        """Logits as they are; probabilities (all in [0, 1]) as their logits."""
        if (answers >= 0).all() and (answers <= 1).all():
            shares = np.clip(answers, SMALLEST, 1 - SMALLEST)
            return np.log(shares) - np.log1p(-shares)
        return answers

    def answers(self, outputs: Outputs, images: Reals) -> Answers:
        return outputs

    def settled(self, answers: Answers, labels: Labels) -> MultiLabel:
        return self

    def alike(self, answers: Answers, reference: Answers, step: float = 0.0) -> npt.NDArray[np.bool_]:
        """The same decision, or one that the reference itself takes by at most one step: bool ``(n, classes)``."""
        tied = np.rint(np.abs(reference) / np.float32(step)) <= 1 if step else False
        return np.asarray(((answers > 0) == (reference > 0)) | tied)

    def right(self, answers: Answers, labels: Labels) -> npt.NDArray[np.bool_] | None:
        return np.asarray((of_split(answers, labels) > 0) == (labels > 0))

    def score(self, answers: Answers, labels: Labels) -> Score:
        """The share of right decisions (1 − the Hamming loss).

        Decisions on one example depend on one another, so the interval counts examples, not decisions.
        """
        right = (of_split(answers, labels) > 0) == (labels > 0)
        shares = right.mean(axis=1)
        return Score(float(shares.mean()), *clustered(shares, most=right.size))

    def metrics(self, answers: Answers, labels: Labels) -> Mapping[str, float]:
        """Mean average precision and mean F1 over the labels that occur; the share of wholly right examples."""
        decided, occurring = answers > 0, [k for k in range(labels.shape[1]) if labels[:, k].any()]
        return {
            "mean_average_precision": _mean(
                [average_precision(answers[:, k], labels[:, k]) for k in occurring]
            ),
            "macro_f1": _mean([f1(decided[:, k], labels[:, k]) for k in occurring]),
            "exact_match": float((decided == (labels > 0)).all(axis=1).mean()),
        }

    def divergence(
        self, reference: Outputs, outputs: Outputs, *, probabilities: bool
    ) -> npt.NDArray[np.float64]:
        """The sum over the labels of KL(Bernoulli(σ(reference)) ‖ Bernoulli(σ(outputs)))."""
        expected, found = reference.astype(np.float64), outputs.astype(np.float64)
        share = np.exp(-np.logaddexp(0, -expected))
        # log σ(x) = x − log(1 + eˣ) and log(1 − σ(x)) = −log(1 + eˣ)
        gap = np.logaddexp(0, found) - np.logaddexp(0, expected)
        return np.asarray((share * (expected - found) + gap).sum(axis=1))


def _entropies(tf: Any, shares: Any, logits: Any) -> Any:
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=shares, logits=logits)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
