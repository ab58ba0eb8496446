"""Is a file's every answer on real images what its graph's reference says? The limits that no build may exceed.

:mod:`edgebuild.measure.parity` asks with random probes before a file is
published; this asks with the test split, and counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import ceil, log
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import ParityError

if TYPE_CHECKING:
    from edgebuild.tasks.task import Answers, Labels, Task

__all__ = ["GRID_LIMITS", "HALF", "LABELS", "Comparison", "Limit", "Verdict", "judge"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Limit:
    """What an integer file may differ by: share of equal outputs, steps of the output grid, share of equal decisions.

    The share of equal outputs is a rate, so few outputs do not break it by chance (see :func:`judge`).
    "Labels" are the task's decisions: classes of images, say. One counts as
    different only if the reference itself prefers its own by more than one step:
    on an integer grid classes can tie.
    """

    equal: float
    steps: int
    labels: float
    most: bool = False  #: the steps are those of 99.9% of the outputs, not of all


#: format → limit of int8 files against the integer reference.
GRID_LIMITS: Mapping[str, Limit] = {
    # On XNNPACK, LiteRT's default delegate, which adds two tensors in fixed point: of 10,000 sums one is rounded to
    # the other side, and each layer after it spreads that. A student with three residual blocks was 1 or 2 steps off
    # in 8.5% of its outputs, with all labels equal; ONNX Runtime's file of the same integers in none.
    "litert": Limit(equal=0.5, steps=4, labels=0.995),
    "onnx": Limit(equal=0.999, steps=1, labels=1.0),
    # Its program computes in float32 between the codes: a rounding that falls to the other side early can
    # be two steps at the end (7 of 100,000 logits of the Fashion-MNIST student).
    "coreml": Limit(equal=0.99, steps=2, labels=1.0),
}
#: The same for Core ML's program computed in float16, as Apple's accelerators do. float16 counts in steps of
#: 1/2048 of a number, a few of which make a step of the grid, more of them where hundreds of outputs lie behind dense
#: layers: an autoencoder's furthest of 288,960 outputs was 11 steps away, 14 of them more than 8. So single outputs
#: do not decide.
HALF = Limit(equal=0.0, steps=8, labels=0.995, most=True)
#: Share of labels that every other file must have in common with its reference.
LABELS = 0.995
#: Largest difference of a file whose outputs are quantities in float, relative to the range of its reference's outputs.
ERROR = 0.02
#: Which outputs :attr:`Limit.most` is about, and the distance beyond which they are counted together.
MOST, FURTHEST = 0.999, 255
#: How improbable a number of differing outputs must be under the allowed rate before a file is refused.
CHANCE = 1e-3


@dataclass(frozen=True)
class Verdict:
    """How a file's logits compare with the reference's on ``images`` images.

    ``labels`` is the share of equal decisions, ties left out (see :class:`Limit`).
    ``equal`` (share of ``outputs`` logits) and ``steps`` (largest distance) are those of an
    integer output, None for a float one; ``most`` is the distance that 99.9% of them keep.
    ``error`` is the largest difference, relative to the range of the reference's outputs, of a float output that is a
    quantity (:attr:`edgebuild.tasks.task.Task.numeric`).
    """

    images: int
    labels: float
    equal: float | None = None
    steps: int | None = None
    error: float | None = None
    outputs: int | None = None
    most: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values; shares to six decimals; no error and no outputs where none are measured."""
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in asdict(self).items()
            if name not in ("error", "outputs", "most") or value is not None
        }

    def __str__(self) -> str:
        if self.equal is None:
            apart = "" if self.error is None else f", at most {self.error:.2%} of their range apart"
            return f"{self.labels:.2%} of labels as the reference{apart}"
        return (
            f"{self.equal:.2%} of logits equal to the reference, at most {self.steps} step(s), "
            f"{self.labels:.2%} of labels"
        )


@dataclass
class Comparison:
    """Collects the outputs and answers of a file and of its reference, chunk by chunk.

    ``step`` is the scale of an integer output, None of a float one. Only the
    answers are kept: outputs may be many.
    """

    task: Task
    step: float | None
    _answers: list[tuple[Answers, Answers]] = field(default_factory=list)
    _outputs: int = 0
    #: How many outputs are 0, 1, 2, … steps away; the last entry counts all that are further.
    _distances: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(FURTHEST + 1, np.int64))
    _steps: int = 0
    _apart: float = 0.0
    _range: tuple[float, float] = (np.inf, -np.inf)

    @property
    def images(self) -> int:
        """How many were added."""
        return sum(len(found) for found, _ in self._answers)

    def add(self, outputs: Floats, reference: Floats, images: Floats) -> None:
        """Those of one chunk of real images, float32 ``(n, outputs)`` each."""
        self._answers.append((self.task.answers(outputs, images), self.task.answers(reference, images)))
        if self.step is not None:
            steps = np.abs(np.rint((outputs - reference) / np.float32(self.step)))
            self._outputs += steps.size
            near = np.minimum(steps, FURTHEST).astype(np.int64).ravel()
            self._distances += np.bincount(near, minlength=FURTHEST + 1)
            self._steps = max(self._steps, int(steps.max()))
        self._apart = max(self._apart, float(np.abs(outputs - reference).max()))
        low, high = self._range
        self._range = min(low, float(reference.min())), max(high, float(reference.max()))

    def verdict(self, labels: Labels) -> Verdict:
        """The outcome; ``labels`` are those of the images that were added."""
        found, expected = (np.concatenate(parts) for parts in zip(*self._answers, strict=True))
        alike = self.task.settled(expected, labels).alike(found, expected, self.step or 0.0)
        share = float(np.mean(alike))
        if self.step is None:
            low, high = self._range
            error = self._apart / max(high - low, 1e-6) if self.task.numeric else None
            return Verdict(len(found), share, error=error)
        equal = int(self._distances[0]) / self._outputs
        most = int(np.searchsorted(np.cumsum(self._distances), MOST * self._outputs))
        return Verdict(len(found), share, equal, self._steps, outputs=self._outputs, most=most)


def judge(verdict: Verdict, limit: Limit, what: str) -> Verdict:
    """``verdict``, held against ``limit``; ``what`` names the file in the message.

    Where the number of outputs is known, fewer equal ones than the limit's share are refused only
    if chance makes so many differ with a probability below :data:`CHANCE`: by Chernoff's
    bound of the Poisson distribution's tail (H. Chernoff, "A Measure of Asymptotic Efficiency for
    Tests of a Hypothesis Based on the Sum of Observations", Annals of Mathematical Statistics 23, 1952).

    Raises:
        ParityError: it exceeds the limit.
    """
    equal, images = verdict.equal, verdict.images
    steps = verdict.most if limit.most and verdict.most is not None else verdict.steps
    within = (equal is None or _share_kept(equal, verdict.outputs, limit.equal)) and (
        steps is None or steps <= limit.steps
    )
    within = within and (verdict.error is None or verdict.error <= ERROR)
    # Of few images a share below 1 is less than one image: it is rounded up to whole ones.
    differing, allowed = round((1 - verdict.labels) * images), ceil(round((1 - limit.labels) * images, 6))
    if not within or differing > allowed:
        raise ParityError(
            f"{what} must give at least {limit.equal:.1%} of the logits of its reference, never be more than "
            f"{limit.steps} step(s) away and agree on {limit.labels:.1%} of the labels, but on {verdict.images:,} "
            f"images it has {verdict}; this runtime computes something else than the graph says"
        )
    return verdict


def _share_kept(equal: float, outputs: int | None, share: float) -> bool:
    """Is it possible that ``outputs``, of which the share ``equal`` is equal, differ at a rate of ``1 - share``?"""
    if equal >= share or outputs is None:
        return equal >= share
    differing, expected = round((1 - equal) * outputs), (1 - share) * outputs
    return expected > 0 and differing * log(differing / expected) - differing + expected < -log(CHANCE)
