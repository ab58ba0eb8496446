"""How right a model is, how sure we are of it, and how far two models agree.

Everything here takes logits, float ``(n, classes)``, and labels, int ``(n,)``.
The predicted class is the largest logit; where several are equally large, as
happens on an integer grid, it is the first of them (the lowest index), which
is also what the runtimes' own argmax returns.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgebuild.errors import Finding

__all__ = [
    "accuracy", "agreement", "clustered", "confusion", "max_abs_error", "of_split", "predicted", "wilson",
]  # fmt: skip

Logits = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]

#: The 97.5% quantile of the standard normal distribution.
Z95 = 1.959963984540054


def predicted(logits: Logits) -> npt.NDArray[np.int64]:
    """The class of the largest logit per image, int64 ``(n,)``; the first one of equals.

    Raises:
        Finding: the logits are not ``(n, classes)`` with n at least 1, or not finite.
    """
    if logits.ndim != 2 or 0 in logits.shape:
        raise Finding(
            f"logits must have the shape (images, classes), but it is {logits.shape}; predict again"
        )
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        raise Finding(
            f"logits must be finite, but those of {len(bad)} of {len(logits)} images are not (the first is "
            f"image {bad[0]}); the model overflows there: look at its scales and its precision"
        )
    classes: npt.NDArray[np.int64] = np.argmax(logits, axis=1).astype(np.int64)
    return classes


def accuracy(logits: Logits, labels: Labels) -> float:
    """The fraction of images whose predicted class is their label.

    Raises:
        Finding: as :func:`predicted`, or another number of labels than of images.
    """
    return float(np.mean(predicted(logits) == _matching(logits, labels)))


def wilson(correct: float, total: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, by default at 95%.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", Journal of the American Statistical Association 22, 1927. Unlike
    the textbook's ``p ± z·sqrt(p(1-p)/n)`` it keeps its coverage near 1, where
    accuracies are (Brown, Cai and DasGupta, "Interval Estimation for a Binomial
    Proportion", Statistical Science 16, 2001).

    Raises:
        ValueError: unless ``0 <= correct <= total`` and ``total >= 1``.
    """
    if not 0 <= correct <= total or total < 1:
        raise ValueError(
            f"0 <= correct <= total and total >= 1 are required, but they are {correct} and {total}"
        )
    share, shrink = correct / total, 1 + z * z / total
    centre = (share + z * z / (2 * total)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # The ends are exact where the formula only rounds to them.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == total else min(1.0, centre + half)
    return low, high


def clustered(shares: npt.NDArray[np.floating], most: float) -> tuple[float, float]:
    """:func:`wilson` of the mean of ``shares``, float ``(n,)``: one in [0, 1] per example, of several decisions.

    The total is the effective number of decisions, ``p(1−p)`` over the variance of
    the mean (Korn and Graubard 1998, "Confidence Intervals for Proportions with
    Small Expected Number of Positive Counts Estimated from Survey Data"; with
    Wilson's interval for theirs), at most ``most``; where nothing varies it is n.
    """
    mean, count = float(shares.mean()), len(shares)
    variance = float(shares.var(ddof=1)) / count if count > 1 else 0.0
    effective = min(mean * (1 - mean) / variance, most) if variance and 0 < mean < 1 else float(count)
    return wilson(mean * effective, effective)


def of_split(answers: Logits, labels: npt.NDArray[np.generic]) -> Logits:
    """``answers``, float ``(n, k)``, which are finite and as many as ``labels``.

    Raises:
        Finding: they are not; classes are judged by :func:`predicted`.
    """
    if answers.ndim != 2 or len(answers) != len(labels) or answers.shape[1:] != (labels.shape[1:] or (1,)):
        raise Finding(
            f"answers for labels of shape {labels.shape} are required, but theirs is {answers.shape}; predict the "
            f"split that the labels are of"
        )
    bad = np.flatnonzero(~np.isfinite(answers).all(axis=1))
    if len(bad):
        raise Finding(
            f"answers must be finite, but those of {len(bad)} of {len(answers)} examples are not (the first is "
            f"example {bad[0]}); the model overflows there: look at its scales and its precision"
        )
    return answers


def agreement(one: Logits, other: Logits) -> float:
    """The fraction of images for which both predict the same class.

    Raises:
        Finding: as :func:`predicted`, or the shapes differ.
    """
    _same_shape(one, other)
    return float(np.mean(predicted(one) == predicted(other)))


def max_abs_error(one: Logits, other: Logits) -> float:
    """The largest difference of any logit, in logit units.

    Raises:
        Finding: the shapes differ.
    """
    _same_shape(one, other)
    return float(np.max(np.abs(one.astype(np.float64) - other.astype(np.float64))))


def confusion(logits: Logits, labels: Labels) -> npt.NDArray[np.int64]:
    """How many images of each class (row) are taken for each class (column): int64 ``(classes, classes)``.

    Raises:
        Finding: as :func:`accuracy`.
    """
    counts = np.zeros((logits.shape[1], logits.shape[1]), np.int64)
    np.add.at(counts, (_matching(logits, labels), predicted(logits)), 1)
    return counts


def _matching(logits: Logits, labels: Labels) -> Labels:
    if labels.shape != logits.shape[:1]:
        raise Finding(
            f"one label per image is required, but there are labels of shape {labels.shape} for logits of "
            f"shape {logits.shape}; predict the split that the labels are of"
        )
    return labels


def _same_shape(one: Logits, other: Logits) -> None:
    if one.shape != other.shape:
        raise Finding(
            f"logits to compare must have one shape, but they are {one.shape} and {other.shape}; predict the "
            f"same split with both models"
        )
