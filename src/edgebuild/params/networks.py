"""Sections ``teacher`` and ``student`` of params.yaml: the two networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from edgebuild.params.kinds import Count, Fraction, Rate, Size
from edgebuild.strict import Range

__all__ = ["Student", "Teacher"]


@dataclass(frozen=True)
class Teacher:
    """The large network that the student learns from."""

    architecture: Literal["resnet"]
    width: Annotated[int, Range(4, 512)]  #: channels of the first stage; doubles with each stage
    blocks: Annotated[int, Range(1, 16)]  #: residual blocks per stage
    stages: Annotated[int, Range(1, 5)]  #: stages; each after the first halves the image
    epochs: Count
    batch_size: Count
    learning_rate: Rate  #: peak of a cosine schedule
    weight_decay: Fraction  #: decoupled (AdamW)
    shift: Size  #: augmentation: largest random shift, in pixels; 0 is off
    flip: bool  #: augmentation: random horizontal flips


@dataclass(frozen=True)
class Student:
    """The small network that goes onto the device."""

    architecture: Literal["ds_cnn"]
    width: Annotated[int, Range(4, 512)]  #: channels after the stem; doubles when the image is halved
    blocks: Annotated[int, Range(1, 16)]  #: depthwise-separable blocks per stage
    stages: Annotated[int, Range(1, 5)]  #: stages; each after the first halves the image
    stem_stride: Literal[1, 2]  #: 2 halves the image at once
