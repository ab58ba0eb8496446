"""Classification: one class per example. The outputs are logits, and so are the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.measure.accuracy import accuracy, predicted, wilson
from edgebuild.tasks.task import Answers, Images, Labels, Outputs, Reals, Score, Truth
from edgebuild.train.losses import Loss, cross_entropy, distillation

__all__ = ["Classification", "log_softmax"]

#: Probabilities are kept above this, so that their logarithms stay finite.
SMALLEST = np.float32(1e-7)


@dataclass(frozen=True)
class Classification:
    """The protocol is explained in :class:`edgebuild.tasks.task.Task`."""

    kind: str = "classification"
    quality: str = "accuracy"
    figure: str = "accuracy"
    numeric: bool = False

    def check(self, labels: Labels, classes: Sequence[str], where: str) -> None:
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError(
                f"{where}: task classification needs one class index per example, but the labels are {labels.dtype} "
                f"of shape {labels.shape}; set task.kind to what the data are for"
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
        return cross_entropy(tf, outputs, truth, teacher)

    def distillation(self, temperature: float, alpha: float) -> Loss:
        return distillation(temperature, alpha)

    def correct(self, tf: Any, outputs: Any, truth: Any) -> Any:
        return tf.reduce_sum(tf.cast(tf.argmax(outputs, -1) == truth, tf.float32))

    def validate(self, outputs: Outputs, truth: Truth) -> tuple[Answers, Answers]:
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        picked = shifted[np.arange(len(outputs)), truth]
        losses = np.log(np.exp(shifted).sum(axis=1)) - picked
        return losses, np.asarray(outputs.argmax(axis=1) == truth, np.float64)

    def as_outputs(self, answers: Outputs) -> Outputs:
        """Logits as they are; probabilities (no entry negative, every row's sum 1) as their logarithms."""
        if (answers >= 0).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-3):
            return np.log(np.maximum(answers, SMALLEST))
        return answers

    def answers(self, outputs: Outputs, images: Reals) -> Answers:
        return outputs

    def settled(self, answers: Answers, labels: Labels) -> Classification:
        return self

    def alike(self, answers: Answers, reference: Answers, step: float = 0.0) -> npt.NDArray[np.bool_]:
        """The same class, or one that the reference itself prefers by at most one step less: classes can tie."""
        chosen, expected = answers.argmax(axis=1), reference.argmax(axis=1)
        same = chosen == expected
        if step == 0.0:
            return np.asarray(same)
        rows = np.arange(len(reference))
        lead = reference[rows, expected] - reference[rows, chosen]
        return np.asarray(same | (np.rint(lead / np.float32(step)) <= 1))

    def right(self, answers: Answers, labels: Labels) -> npt.NDArray[np.bool_] | None:
        return np.asarray(predicted(answers) == labels)

    def score(self, answers: Answers, labels: Labels) -> Score:
        """The share of right classes with Wilson's interval."""
        share = accuracy(answers, labels)
        return Score(share, *wilson(round(share * len(labels)), len(labels)))

    def metrics(self, answers: Answers, labels: Labels) -> Mapping[str, float]:
        return {}

    def divergence(
        self, reference: Outputs, outputs: Outputs, *, probabilities: bool
    ) -> npt.NDArray[np.float64]:
        """KL(softmax of the reference ‖ softmax of the outputs)."""
        expected, found = (log_softmax(values, probabilities) for values in (reference, outputs))
        return np.asarray((np.exp(expected) * (expected - found)).sum(axis=1))


def log_softmax(values: Outputs, probabilities: bool) -> npt.NDArray[np.float64]:
    """Log-probabilities, of the same shape, from logits or from probabilities."""
    if probabilities:  # on a grid one may be zero; half a step is the best guess that is not
        return np.log(np.maximum(values.astype(np.float64), 1 / 512))
    shifted = values.astype(np.float64) - values.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
