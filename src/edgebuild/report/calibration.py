"""How far a network's confidence can be believed.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural
Networks", ICML 2017. Confidence is the softmax of the predicted class; images
are put into equally wide bins ``(low, high]`` by it (there, section 2), and the
expected calibration error is the mean of ``|accuracy - confidence|`` over the
bins, weighted by their images (equation 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgebuild.measure.accuracy import predicted

__all__ = ["BINS", "Bin", "Calibration", "calibration", "probabilities"]

#: As many as in the paper's reliability diagrams.
BINS = 10

Logits = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is in ``(low, high]``; means are 0 where ``images`` is."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Fractions, all of them.

    ``error`` is the expected calibration error. ``chance`` is what it would be
    about if every confidence were exactly right, only because the images are
    few, and ``limit`` what it would then hardly exceed (two deviations more):
    an error below it proves nothing.
    """

    bins: tuple[Bin, ...]
    error: float
    chance: float
    limit: float
    confidence: float
    accuracy: float


def probabilities(logits: Logits) -> npt.NDArray[np.float64]:
    """The softmax of float ``(n, classes)``, of the same shape."""
    exact = logits.astype(np.float64)
    powers = np.exp(exact - exact.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def calibration(logits: Logits, labels: npt.NDArray[np.integer], bins: int = BINS) -> Calibration:
    """Judge the confidences of ``logits``, float ``(n, classes)``, with ``labels``, int ``(n,)``.

    ``chance`` and ``limit`` take each bin's sum of outcomes as normal with
    variance ``v = sum p(1 - p)``. Its absolute value is then half-normal, with
    mean ``sqrt(2 v / pi)`` and variance ``v (1 - 2 / pi)``.

    Raises:
        Finding: the logits are not ``(n, classes)`` or not finite.
    """
    right = predicted(logits) == labels
    confidence = probabilities(logits).max(axis=1)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    found, error, chance, spread = [], 0.0, 0.0, 0.0
    for at in range(bins):
        inside = place == at
        images = int(inside.sum())
        mean, share = (float(values[inside].mean()) if images else 0.0 for values in (confidence, right))
        found.append(Bin(at / bins, (at + 1) / bins, images, mean, share))
        error += images / len(labels) * abs(share - mean)
        variance = float(np.sum(confidence[inside] * (1 - confidence[inside])))
        chance += math.sqrt(2 / math.pi * variance) / len(labels)
        spread += variance * (1 - 2 / math.pi) / len(labels) ** 2
    limit = chance + 2 * math.sqrt(spread)
    return Calibration(tuple(found), error, chance, limit, float(confidence.mean()), float(right.mean()))
