"""The protocol of tasks: everything in the build that depends on what the network is asked.

Three things are told apart. **Outputs** are what a network computes, float32
``(n, outputs)``: logits, standardized targets, a reconstruction. **Truth** is
what a loss compares them with. **Answers** are what a user of the network is
after, float32 ``(n, k)``, computed from outputs and inputs: these are kept in
metrics/predictions and judged with the labels of the split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgebuild.train.losses import Loss

__all__ = ["Answers", "Images", "Labels", "Outputs", "Reals", "Score", "Task", "Truth"]

Images = npt.NDArray[np.uint8]  #: stored inputs, (n, h, w, c)
Reals = npt.NDArray[np.float32]  #: the same as networks take them, in [0, 1]
Outputs = npt.NDArray[np.floating]  #: (n, outputs)
Answers = npt.NDArray[np.floating]  #: (n, k)
Labels = npt.NDArray[Any]  #: those of a split: int64 or float32, (n,) or (n, k)
Truth = npt.NDArray[Any]


@dataclass(frozen=True)
class Score:
    """The quality of a model, in [0, 1], more is better, and its interval at 95%."""

    value: float
    low: float
    high: float


class Task(Protocol):
    """One kind of question. Implementations are frozen dataclasses of constants from params.yaml."""

    @property
    def kind(self) -> str:
        """Its name in params.yaml."""

    @property
    def quality(self) -> str:
        """What :meth:`score` measures, in words: "accuracy". metrics/summary.json has it under ``accuracy``."""

    @property
    def figure(self) -> str:
        """What the training curves' ``accuracy`` is, in words; it needs no more than outputs and truth."""

    @property
    def numeric(self) -> bool:
        """Are outputs quantities, to be compared by their size? Otherwise they are compared by what they decide."""

    def check(self, labels: Labels, classes: Sequence[str], where: str) -> None:
        """Refuse the labels of a training split that are not of this task.

        Raises:
            DataError: with what is required, what was found, and the way out.
        """

    def outputs(self, shape: Sequence[int], classes: Sequence[str]) -> int:
        """How many numbers the network gives for an input of ``shape`` (h, w, c)."""

    def width(self, classes: Sequence[str]) -> int:
        """How many numbers an answer has: the k of :data:`Answers`."""

    def names(self, classes: Sequence[str]) -> tuple[str, ...]:
        """A name for each output, which the exported files carry; none where outputs have no names."""

    @property
    def units(self) -> tuple[tuple[float, float], ...]:
        """Scale and offset that make each output a number in its target's unit; none where outputs have no units."""

    def truth(self, images: Images, labels: Labels, scale: float) -> Truth:
        """What the loss compares the outputs for ``images`` with: an entry per example."""

    def loss(self, tf: Any, outputs: Any, truth: Any, teacher: Any) -> Any:
        """The loss without a teacher: a scalar tensor (a :data:`~edgebuild.train.losses.Loss`)."""

    def distillation(self, temperature: float, alpha: float) -> Loss:
        """The loss with a teacher, whose share is ``alpha``."""

    def correct(self, tf: Any, outputs: Any, truth: Any) -> Any:
        """The sum over a batch of the training curve's figure, a scalar float32 tensor."""

    def validate(self, outputs: Outputs, truth: Truth) -> tuple[Answers, Answers]:
        """Per example its loss and its figure, ``(n,)`` each: the means are the validation curves."""

    def as_outputs(self, answers: Outputs) -> Outputs:
        """What a foreign teacher gives, ``(n, outputs)``, as outputs: probabilities become logits, say."""

    def answers(self, outputs: Outputs, images: Reals) -> Answers:
        """The answers, float32 ``(n, k)``, from a network's outputs for real images, float32 ``(n, h, w, c)``."""

    def settled(self, answers: Answers, labels: Labels) -> Task:
        """This task with everything fixed that decisions need, by the answers of the model to compare others with."""

    def alike(self, answers: Answers, reference: Answers, step: float = 0.0) -> npt.NDArray[np.bool_]:
        """Which decisions of a model are those of its reference: bool ``(n,)``, or ``(n, k)`` of a task with several.

        ``step`` is that of an integer output grid, in units of outputs: what is tied within
        one step counts as equal. A task whose decisions need a level is :meth:`settled` first.
        """

    def right(self, answers: Answers, labels: Labels) -> npt.NDArray[np.bool_] | None:
        """Which decisions are right, as :meth:`alike`; None for a task whose quality is no share of decisions."""

    def score(self, answers: Answers, labels: Labels) -> Score:
        """The quality of a model on a split.

        Raises:
            Finding: the answers are not finite, or not of this split.
        """

    def metrics(self, answers: Answers, labels: Labels) -> Mapping[str, float]:
        """Further figures by name, for the summary."""

    def divergence(
        self, reference: Outputs, outputs: Outputs, *, probabilities: bool
    ) -> npt.NDArray[np.float64]:
        """How far outputs are from the reference's, in nats, ``(n,)``: KL of the distributions that they stand for.

        ``probabilities`` says that the networks end in a softmax.
        """
