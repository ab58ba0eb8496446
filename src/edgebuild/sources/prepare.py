"""From a source to the four splits: train, validation, calibration and test.

The splits are disjoint, stratified by class, and a function of the source, the
sizes and the seed alone. They are carved in the order test, validation,
calibration, train, each from what is left, so a knob moves only its own split
and those after it: no other size changes what a model is judged on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebuild.data.check import Part
from edgebuild.data.split import Split
from edgebuild.errors import DataError
from edgebuild.sources.source import Source

__all__ = ["SPLITS", "apportion", "interleave", "prepare"]

SPLITS = ("train", "validation", "calibration", "test")

Indices = npt.NDArray[np.int64]


def prepare(source: Source, *, validation: int, calibration: int, test: int, seed: int) -> dict[str, Split]:
    """Split ``source``; keys are those of :data:`SPLITS`.

    In each split, the number of images of a class is within one of that class's
    share of the images which the split was drawn from. ``calibration`` is
    ordered so that its first k images are stratified for every k; the other
    splits keep the order of the source.

    Args:
        source: the data; where it has an official test part, tests are drawn
            from that alone, otherwise from the images.
        validation: images to watch trainings with, at least 1.
        calibration: images to find activation ranges with, at least 1.
        test: images to judge on; 0 takes the whole official test part.
        seed: of the PCG64 generator that draws; the same on every platform.

    Raises:
        DataError: sizes that the source cannot serve, or too few classes or
            images of a class.
    """
    for name, size in (("validation", validation), ("calibration", calibration)):
        if size < 1:
            raise DataError(
                f"data.{name}: at least 1 image is required, but it is {size}; ask for one per class"
            )
    if test < 1 and source.test is None:
        raise DataError(
            f"data.test: at least 1 image is required, but it is {test}: this source has no official test "
            f"part that 0 could stand for; say how many of its {len(source.labels)} images to test on"
        )
    _check_classes(source, splits=4 if source.test is None else 3)

    # One generator per pool: the size of the test part cannot disturb the training part.
    streams = [np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(seed).spawn(3)]
    pool = Part(source.images, source.labels)
    members = _shuffled_by_class(pool.labels, len(source.classes), streams[0])
    if source.test is None:
        official, test_indices = pool, _carve(members, test, "test", len(pool.labels))
    else:
        official = source.test
        groups = _shuffled_by_class(official.labels, len(source.classes), streams[1])
        test_indices = _carve(groups, test or len(official.labels), "test", len(official.labels))
    left = sum(map(len, members))
    if validation + calibration >= left:
        raise DataError(
            f"data.validation + data.calibration: fewer than the {left} images of the training part are "
            f"required, but they are {validation} + {calibration}; ask for fewer, so that some are left to train on"
        )
    validation_indices = _carve(members, validation, "validation", left)
    calibration_indices = _carve(members, calibration, "calibration", left)
    for name, group in zip(source.classes, members, strict=True):
        if len(group) == 0:
            raise DataError(
                f"class {name!r}: at least one image must be left to train on, but the other splits take all "
                f"of them; lower data.test, data.validation or data.calibration"
            )
    order = interleave(pool.labels[calibration_indices], len(source.classes), streams[2])

    def split(part: Part, indices: Indices) -> Split:
        return Split(part.images[indices], part.labels[indices], source.scale, source.classes)

    return {
        "train": split(pool, np.sort(np.concatenate(members))),
        "validation": split(pool, np.sort(validation_indices)),
        "calibration": split(pool, calibration_indices[order]),
        "test": split(official, np.sort(test_indices)),
    }


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


def interleave(labels: npt.NDArray[np.int64], classes: int, generator: np.random.Generator) -> Indices:
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
    groups = _shuffled_by_class(labels, classes, generator)
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


def _shuffled_by_class(
    labels: npt.NDArray[np.int64], classes: int, generator: np.random.Generator
) -> list[Indices]:
    return [generator.permutation(np.flatnonzero(labels == label)) for label in range(classes)]


def _carve(members: list[Indices], size: int, name: str, available: int) -> Indices:
    """Take ``size`` stratified indices out of ``members``, which shrinks in place."""
    if size > available:
        raise DataError(
            f"data.{name}: at most the {available} images that there are can be asked for, but it is {size}; "
            f"ask for fewer"
        )
    shares = apportion(size, np.array([len(group) for group in members], np.int64))
    taken = [group[:share] for group, share in zip(members, shares, strict=True)]
    members[:] = [group[share:] for group, share in zip(members, shares, strict=True)]
    return np.concatenate(taken)


def _check_classes(source: Source, splits: int) -> None:
    counts = np.bincount(source.labels, minlength=len(source.classes))
    if np.count_nonzero(counts) < 2:
        only = source.classes[int(counts.argmax())]
        raise DataError(
            f"images of at least two classes are required, but all {len(source.labels)} are of class "
            f"{only!r}; check the labels"
        )
    smallest = int(counts.argmin())
    if counts[smallest] < splits:
        raise DataError(
            f"class {source.classes[smallest]!r}: at least {splits} images are required, one for each split, "
            f"but there are {counts[smallest]}; add images or drop the class"
        )
