"""Sections ``distill``, ``prune`` and ``finetune`` of params.yaml: trainings under a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from edgebuild.params.kinds import Count, Fraction, Rate, Size, Temperature
from edgebuild.strict import Range

__all__ = ["Distill", "Finetune", "Prune", "Tuning"]


@dataclass(frozen=True)
class Distill:
    """Training of the student on labels and on what the teacher says and sees."""

    teacher: str  #: the file that teaches: .keras, .onnx or .tflite; the trained teacher, or any other
    features: Literal["none", "attention", "hint"]  #: compare feature maps, too; needs a .keras teacher
    beta: Annotated[float, Range(0.0, 1e6)]  #: weight of that comparison in the loss
    temperature: Temperature
    alpha: Fraction  #: share of the teacher's part in the loss; 0 trains on labels alone
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    weight_decay: Fraction
    shift: Size
    flip: bool
    augment: str  #: as teacher.augment


@dataclass(frozen=True)
class Prune:
    """Removing channels or weights from the student, with further training."""

    method: Literal["structured", "unstructured", "none"]  #: none: the student goes on as it is
    keep: Annotated[float, Range(0.0, 1.0, open_low=True)]  #: structured: share of the cost that stays
    cost: Literal[
        "macs", "latency"
    ]  #: structured: counted, or LiteRT's time on this machine (not repeatable)
    importance: Literal["taylor", "magnitude"]  #: structured: what a channel is judged by
    spread: Literal["uniform", "global"]  #: structured: the same share of every layer, or one ranking
    multiple: Annotated[int, Range(1, 64)]  #: structured: channel counts that kernels like
    rounds: Annotated[int, Range(1, 20)]  #: structured: cuts, with ``epochs`` of training after each
    scheme: Literal["layer", "global", "two_four"]  #: unstructured: where the zeros are
    sparsity: Annotated[float, Range(0.0, 1.0, open_high=True)]  #: unstructured: share of zeros at the end
    ramp: Fraction  #: unstructured: share of the steps over which sparsity rises; the rest recovers
    frequency: Count  #: unstructured: optimizer steps between two mask updates
    temperature: Temperature
    alpha: Fraction
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    weight_decay: Fraction
    shift: Size
    flip: bool
    augment: str  #: as teacher.augment

    def problems(self) -> list[str]:
        """What is wrong with knobs that depend on one another, a line each."""
        if self.method == "unstructured" and self.scheme == "two_four" and self.sparsity > 0.5:
            return [
                f"prune.sparsity: {self.sparsity} is out of range; two_four leaves at least two of four weights, "
                f"so at most 0.5 can go"
            ]
        return []


@dataclass(frozen=True)
class Tuning:
    """Further training as the quantized network, on labels and the teacher's kept logits."""

    epochs: Size  #: 0 leaves the weights as they are
    temperature: Temperature
    alpha: Fraction
    batch_size: Count
    learning_rate: Rate
    weight_decay: Fraction

    @property
    def shift(self) -> int:
        """Nothing is augmented: the logits that were kept are those of the images as they are."""
        return 0

    @property
    def flip(self) -> bool:
        """As ``shift``."""
        return False

    @property
    def augment(self) -> str:
        """As ``shift``."""
        return ""


@dataclass(frozen=True)
class Finetune:
    """Quantization-aware fine-tuning, per precision."""

    int8: Tuning
    w4: Tuning
