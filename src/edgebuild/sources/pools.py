"""What splits are carved from: examples by class, by labels that overlap, or by groups that stay whole."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edgebuild.data.images import Indices, Labels
from edgebuild.errors import DataError
from edgebuild.sources.strata import apportion, iterative, shuffled_by_class, strata_of

__all__ = ["Pool", "open_pool"]


class Pool(Protocol):
    """Examples that nothing has taken yet."""

    def __len__(self) -> int: ...

    def carve(self, size: int, name: str) -> Indices:
        """Take ``size`` of them (groups: about as many) for the split ``name``, each class with its share.

        Raises:
            DataError: there are fewer.
        """

    def rest(self) -> Indices:
        """All that are left, in no order that means anything."""


def open_pool(
    labels: Labels,
    classes: int,
    members: Indices,
    groups: Indices | None,
    generator: np.random.Generator,
    *,
    train: bool,
) -> Pool:
    """The pool of ``members``, which are indices into ``labels`` and ``groups``; of ``train``, some must be left."""
    if groups is not None:
        return _Groups(labels, classes, members, groups, generator, least=int(train))
    if labels.ndim == 2 and labels.dtype.kind != "f":
        return _Overlapping(labels, members, generator)
    return _Strata(*strata_of(labels[members], classes), members, generator)


class _Strata:
    """Stratified by class; of a regression there is but one class."""

    def __init__(
        self, labels: Indices, classes: int, members: Indices, generator: np.random.Generator
    ) -> None:
        self._members = [members[group] for group in shuffled_by_class(labels, classes, generator)]

    def __len__(self) -> int:
        return sum(map(len, self._members))

    def carve(self, size: int, name: str) -> Indices:
        check_size(size, len(self), name)
        shares = apportion(size, np.array([len(group) for group in self._members], np.int64))
        taken = [group[:share] for group, share in zip(self._members, shares, strict=True)]
        self._members = [group[share:] for group, share in zip(self._members, shares, strict=True)]
        return np.concatenate(taken)

    def rest(self) -> Indices:
        return np.concatenate(self._members)


class _Overlapping:
    """Several labels may hold of one example."""

    def __init__(self, labels: Labels, members: Indices, generator: np.random.Generator) -> None:
        self._labels, self._members, self._generator = labels, members, generator

    def __len__(self) -> int:
        return len(self._members)

    def carve(self, size: int, name: str) -> Indices:
        check_size(size, len(self), name)
        chosen = iterative(self._labels[self._members], size, self._generator)
        taken, self._members = self._members[chosen], self._members[~chosen]
        return taken

    def rest(self) -> Indices:
        return self._members


class _Groups:
    """Whole groups only, in an order that the generator draws.

    A group is taken if that brings the split closer to the size and to the number
    of each class that it should have, by the sum of squares; so one pass decides,
    and a group that is too large is passed over.
    """

    def __init__(
        self,
        labels: Labels,
        classes: int,
        members: Indices,
        groups: Indices,
        generator: np.random.Generator,
        least: int,
    ) -> None:
        self._least = least  # groups that must be left
        names, numbers = np.unique(groups[members], return_inverse=True)
        together = members[np.argsort(numbers, kind="stable")]
        self._members = np.split(together, np.cumsum(np.bincount(numbers))[:-1])
        if labels.ndim == 2 and labels.dtype.kind != "f":
            of_class = labels[members]
        else:
            strata, count = strata_of(labels[members], classes)
            of_class = np.eye(count, dtype=np.int64)[strata]
        one_hot = np.column_stack([np.ones(len(members), np.int64), of_class])
        self._counts = np.zeros((len(names), one_hot.shape[1]), np.int64)
        np.add.at(self._counts, numbers, one_hot)
        self._left = [int(number) for number in generator.permutation(len(names))]

    def __len__(self) -> int:
        return sum(len(self._members[number]) for number in self._left)

    def carve(self, size: int, name: str) -> Indices:
        check_size(size, len(self), name)
        if size == len(self):
            return self._take(list(self._left))
        if len(self._left) <= self._least:
            raise DataError(
                f"data.{name}: groups are kept whole, and the last one is needed to train on; "
                f"at least four groups are required where the data has no splits of its own"
            )
        wanted = self._counts[self._left].sum(axis=0) * (size / len(self))
        chosen: list[int] = []
        for number in self._left:
            closer = np.square(wanted - self._counts[number]).sum() < np.square(wanted).sum()
            if closer and len(chosen) < len(self._left) - self._least:
                chosen.append(number)
                wanted = wanted - self._counts[number]
        if not chosen:  # every group is larger than twice the split: the one that is nearest
            chosen = [min(self._left, key=lambda number: np.square(wanted - self._counts[number]).sum())]
        return self._take(chosen)

    def rest(self) -> Indices:
        return self._take(list(self._left))

    def _take(self, chosen: list[int]) -> Indices:
        taken = set(chosen)
        self._left = [number for number in self._left if number not in taken]
        return np.concatenate([np.zeros(0, np.int64), *(self._members[number] for number in chosen)])


def check_size(size: int, available: int, name: str) -> None:
    """Refuse to take more than there is.

    Raises:
        DataError: ``size`` is above ``available``.
    """
    if size > available:
        raise DataError(
            f"data.{name}: at most the {available} images that there are can be asked for, but it is {size}; "
            f"ask for fewer"
        )
