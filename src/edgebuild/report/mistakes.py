"""What the integer network gets wrong that the teacher gets right, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgebuild.data.split import Split
from edgebuild.measure.accuracy import predicted
from edgebuild.report.calibration import probabilities
from edgebuild.report.pictures import data_uri

__all__ = ["SHOWN", "Mistake", "mistakes"]

#: More would make the page heavy and show nothing new.
SHOWN = 24


@dataclass(frozen=True)
class Mistake:
    """One test image: ``index`` in the split, the classes' names, and confidences as fractions."""

    index: int
    image: str  #: a data URI
    truth: str
    answer: str
    confidence: float
    teacher_confidence: float


def mistakes(
    test: Split, teacher: npt.NDArray[np.floating], integer: npt.NDArray[np.floating], shown: int = SHOWN
) -> list[Mistake]:
    """Those of which the integer network is surest come first, at most ``shown``; logits are ``(n, classes)``."""
    answers, sure = predicted(integer), probabilities(integer)
    lost = np.flatnonzero((predicted(teacher) == test.labels) & (answers != test.labels))
    order = sorted(lost.tolist(), key=lambda index: (-float(sure[index].max()), index))
    taught = probabilities(teacher)
    return [
        Mistake(
            index,
            data_uri(test.images[index], test.scale),
            test.classes[test.labels[index]],
            test.classes[answers[index]],
            float(sure[index].max()),
            float(taught[index].max()),
        )
        for index in order[:shown]
    ]
