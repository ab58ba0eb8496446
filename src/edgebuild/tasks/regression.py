"""Regression: one real number per target.

A network computes standardized targets, ``(real − offset) / scale`` with the two
constants that params.yaml states for each target: so targets of different
units weigh alike in the loss, and share the one grid of an int8 output fairly.
The exported files carry the constants, with which an app gets real units back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.measure.accuracy import of_split, wilson
from edgebuild.tasks.task import Answers, Images, Labels, Outputs, Reals, Score, Truth
from edgebuild.train.losses import Loss

__all__ = ["Regression", "Target"]

#: Standardized training targets whose mean is beyond this, or whose deviation is outside of these, are refused.
FARTHEST, NARROWEST, WIDEST = 3.0, 0.1, 10.0


@dataclass(frozen=True)
class Target:
    """One target: ``real = output · scale + offset``; within ``tolerance`` (real units) an answer is good enough."""

    name: str
    offset: float
    scale: float
    tolerance: float


@dataclass(frozen=True)
class Regression:
    """The protocol is explained in :class:`edgebuild.tasks.task.Task`."""

    targets: tuple[Target, ...]
    kind: str = "regression"
    quality: str = "share within tolerance"
    figure: str = "share within tolerance"
    numeric: bool = True

    def check(self, labels: Labels, classes: Sequence[str], where: str) -> None:
        stated = [target.name for target in self.targets]
        if labels.ndim != 2 or labels.dtype.kind != "f":
            raise DataError(
                f"{where}: task regression needs a real number for each target of an example, but the labels are "
                f"{labels.dtype} of shape {labels.shape}; set task.kind to what the data are for"
            )
        if list(classes) != stated:
            raise DataError(
                f"{where} has the targets {', '.join(classes)}, but task.targets of params.yaml are "
                f"{', '.join(stated)}; state the data's own, in their order"
            )
        means, spreads = labels.mean(axis=0, dtype=np.float64), labels.std(axis=0, dtype=np.float64)
        far = np.abs(means - self._offset) > FARTHEST * self._scale
        apart = (spreads < NARROWEST * self._scale) | (spreads > WIDEST * self._scale)
        lines = [
            f"  {name}: {{offset: {mean:.4g}, scale: {spread or 1.0:.4g}, tolerance: {target.tolerance:g}}}"
            for name, mean, spread, target in zip(stated, means, spreads, self.targets, strict=True)
        ]
        if (far | apart).any():
            raise DataError(
                f"task.targets of params.yaml must say about where the targets lie (offset: mean, scale: standard "
                f"deviation), but {where} has others; write\n" + "\n".join(lines)
            )

    def outputs(self, shape: Sequence[int], classes: Sequence[str]) -> int:
        return len(self.targets)

    def width(self, classes: Sequence[str]) -> int:
        return len(self.targets)

    def names(self, classes: Sequence[str]) -> tuple[str, ...]:
        return tuple(target.name for target in self.targets)

    @property
    def units(self) -> tuple[tuple[float, float], ...]:
        return tuple((target.scale, target.offset) for target in self.targets)

    def truth(self, images: Images, labels: Labels, scale: float) -> Truth:
        return np.asarray((labels - self._offset) / self._scale, np.float32)

    def loss(self, tf: Any, outputs: Any, truth: Any, teacher: Any) -> Any:
        """Mean over examples and targets of the squared error of standardized targets."""
        del teacher
        return tf.reduce_mean(tf.square(outputs - truth))

    def distillation(self, temperature: float, alpha: float) -> Loss:
        """``alpha·MSE(teacher) + (1−alpha)·MSE(truth)``; a temperature has no meaning here.

        Ba and Caruana 2014, "Do Deep Nets Really Need to be Deep?", section 2.2: the
        student regresses on what the teacher computes.
        """
        return blended(alpha)

    def correct(self, tf: Any, outputs: Any, truth: Any) -> Any:
        good = tf.reduce_all(
            tf.abs(outputs - truth) <= tf.constant(self._tolerance / self._scale, tf.float32), -1
        )
        return tf.reduce_sum(tf.cast(good, tf.float32))

    def validate(self, outputs: Outputs, truth: Truth) -> tuple[Answers, Answers]:
        error = np.abs(outputs - truth)
        good = (error <= np.float32(self._tolerance / self._scale)).all(axis=1)
        return np.square(error).mean(axis=1), np.asarray(good, np.float64)

    def as_outputs(self, answers: Outputs) -> Outputs:
        return answers

    def answers(self, outputs: Outputs, images: Reals) -> Answers:
        """Targets in their own units."""
        return np.asarray(outputs * self._scale + self._offset, np.float32)

    def settled(self, answers: Answers, labels: Labels) -> Regression:
        return self

    def alike(self, answers: Answers, reference: Answers, step: float = 0.0) -> npt.NDArray[np.bool_]:
        """Within tolerance of one another in every target; one step of the grid is never too far."""
        allowed = self._tolerance + np.abs(step * self._scale)
        return np.asarray((np.abs(answers - reference) <= allowed).all(axis=1))

    def right(self, answers: Answers, labels: Labels) -> npt.NDArray[np.bool_] | None:
        return np.asarray((np.abs(of_split(answers, labels) - labels) <= self._tolerance).all(axis=1))

    def score(self, answers: Answers, labels: Labels) -> Score:
        """The share of examples within tolerance in every target, with Wilson's interval."""
        good = np.asarray((np.abs(of_split(answers, labels) - labels) <= self._tolerance).all(axis=1))
        return Score(float(good.mean()), *wilson(int(good.sum()), len(good)))

    def metrics(self, answers: Answers, labels: Labels) -> Mapping[str, float]:
        """Per target the mean absolute and the root mean squared error, in its unit, and R²."""
        found = {}
        for at, target in enumerate(self.targets):
            truth = labels[:, at].astype(np.float64)
            error = answers[:, at] - truth
            suffix = f".{target.name}" if len(self.targets) > 1 else ""
            spread = float(np.square(truth - truth.mean()).sum())
            found[f"mae{suffix}"] = float(np.abs(error).mean())
            found[f"rmse{suffix}"] = float(np.sqrt(np.square(error).mean()))
            found[f"r2{suffix}"] = 1 - float(np.square(error).sum()) / spread if spread else 0.0
        return found

    def divergence(
        self, reference: Outputs, outputs: Outputs, *, probabilities: bool
    ) -> npt.NDArray[np.float64]:
        """KL of normal distributions of variance 1 (standardized): half the squared distance."""
        return np.asarray(np.square(outputs.astype(np.float64) - reference).sum(axis=1) / 2)

    @property
    def _offset(self) -> npt.NDArray[np.float64]:
        return np.array([target.offset for target in self.targets])

    @property
    def _scale(self) -> npt.NDArray[np.float64]:
        return np.array([target.scale for target in self.targets])

    @property
    def _tolerance(self) -> npt.NDArray[np.float64]:
        return np.array([target.tolerance for target in self.targets])


def blended(alpha: float) -> Loss:
    """``alpha·MSE(teacher) + (1−alpha)·MSE(truth)``."""

    def loss(tf: Any, outputs: Any, truth: Any, teacher: Any) -> Any:
        soft = tf.reduce_mean(tf.square(outputs - teacher))
        return alpha * soft + (1 - alpha) * tf.reduce_mean(tf.square(outputs - truth))

    return loss
