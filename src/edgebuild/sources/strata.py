"""Shares of classes: whole numbers that add up, orders whose every beginning is fair, and labels that overlap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebuild.data.images import Indices, Labels

__all__ = ["apportion", "interleave", "iterative", "shuffled_by_class", "strata_of"]


def strata_of(labels: Labels, classes: int) -> tuple[Indices, int]:
    """What to stratify by, int64 ``(n,)``, and the number of strata: the classes, or one where there are none."""
    return (labels, classes) if labels.ndim == 1 else (np.zeros(len(labels), np.int64), 1)


def shuffled_by_class(labels: Indices, classes: int, generator: np.random.Generator) -> list[Indices]:
    """The indices of each class, in an order that the generator draws."""
    return [generator.permutation(np.flatnonzero(labels == label)) for label in range(classes)]


def apportion(size: int, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Divide ``size`` images among classes in proportion to ``counts``, by largest remainder (Hamilton).

    Returns int64 of the shape of ``counts`` with sum ``size``; every entry is
    its exact share rounded down or up. Equal remainders go to the first class.
    ``size`` must be at most the sum of ``counts``.
    """
    total = int(counts.sum())
    shares, remainders = np.divmod(size * counts, total)
    missing = size - int(shares.sum())
    # Stable, so that ties are decided by position and not by the sorting algorithm.
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return shares


def interleave(labels: Indices, classes: int, generator: np.random.Generator) -> Indices:
    """An order in which the first k images are stratified, for every k at once.

    Among the first k, each class has its exact share ``k * count / n`` rounded
    down or up: the quota method of M. L. Balinski and H. P. Young, "The Quota
    Method of Apportionment", American Mathematical Monthly 82(7), 1975, with
    images for seats. Within a class, and among classes that are level, the
    generator decides.

    Args:
        labels: int64 ``(n,)``, from 0 to ``classes - 1``.

    Returns:
        int64 ``(n,)``, a permutation of ``0 … n - 1``.
    """
    groups = shuffled_by_class(labels, classes, generator)
    priority = generator.permutation(classes)
    counts = np.array([len(group) for group in groups])
    taken = np.zeros(classes, np.int64)
    order = np.empty(len(labels), np.int64)
    for k in range(len(labels)):
        below_quota = taken * len(labels) < (k + 1) * counts
        # The largest count / (taken + 1) wins; sizes are small, so the quotients are told apart in float64.
        quotient = np.where(below_quota, counts / (taken + 1), -1.0)
        winner = max(range(classes), key=lambda label: (quotient[label], priority[label]))
        order[k] = groups[winner][taken[winner]]
        taken[winner] += 1
    return order


def iterative(labels: Labels, size: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which ``size`` of n multi-label examples to take, so that every label keeps its share in both parts.

    Iterative stratification: K. Sechidis, G. Tsoumakas and I. Vlahavas, "On the
    Stratification of Multi-Label Data", ECML PKDD 2011, algorithm 1, for two
    parts of exact sizes. The rarest label is served first, since it is the
    hardest to share out; each of its examples goes to the part that wants more
    of that label, then to the one that wants more examples, then by lot.

    Args:
        labels: int64 ``(n, classes)`` of 0 and 1.

    Returns:
        bool ``(n,)``, true ``size`` times.
    """
    count = len(labels)
    share = np.array([size / count, 1 - size / count])
    wanted = np.array([size, count - size])
    wanted_of = share[:, None] * labels.sum(axis=0)
    left = labels.sum(axis=0)
    part = np.full(count, -1)
    order = generator.permutation(count)

    def place(example: int, label: int | None) -> None:
        wants = [(wanted_of[side, label] if label is not None else 0.0, wanted[side]) for side in (0, 1)]
        side = int(wants[1] > wants[0] or (wants[1] == wants[0] and generator.random() < 0.5))
        if wanted[side] == 0:
            side = 1 - side
        part[example] = side
        wanted[side] -= 1
        wanted_of[side] -= labels[example]
        left[:] -= labels[example]

    while (left > 0).any():
        rarest = int(np.argmin(np.where(left > 0, left, count + 1)))
        for example in order[(part[order] < 0) & (labels[order, rarest] == 1)]:
            place(int(example), rarest)
    for example in order[part[order] < 0]:
        place(int(example), None)
    taken: npt.NDArray[np.bool_] = part == 0
    return taken
