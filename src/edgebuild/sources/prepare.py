"""From a source to the four splits: train, validation, calibration and test.

The splits are disjoint, stratified, and a function of the source, the sizes and
the seed alone. They are carved in the order test, validation, calibration,
train, each from what is left, so a knob moves only its own split and those
after it: no other size changes what a model is judged on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebuild.data.check import Part
from edgebuild.data.images import Indices, Labels, Selection
from edgebuild.data.split import Draw
from edgebuild.errors import DataError
from edgebuild.sources.pools import Pool, open_pool
from edgebuild.sources.source import SPLIT_NAMES, Source
from edgebuild.sources.strata import interleave, strata_of

__all__ = ["SPLITS", "prepare"]

SPLITS = SPLIT_NAMES


def prepare(
    source: Source, *, task: str = "classification", validation: int, calibration: int, test: int, seed: int
) -> dict[str, Draw]:
    """Split ``source``; keys are those of :data:`SPLITS`.

    In each split, the number of images of a class is within one of that class's
    share of the images which the split was drawn from (multi-label: close to it,
    by iterative stratification; regression: drawn at random). ``calibration`` is
    ordered so that its first k images are stratified for every k; the other
    splits keep the order of the source. Of groups, whole ones are drawn, so that
    sizes and shares are met as closely as those allow. For anomaly detection only
    the test split holds anomalies: half of it, or as many as there are.

    Args:
        source: the data; where it has an official test part, tests are drawn
            from that alone, otherwise from the images. What the source places in
            a split stays in it.
        task: what the labels are for: classification, multilabel, regression or
            anomaly.
        validation: images to watch trainings with, at least 1.
        calibration: images to find activation ranges with, at least 1.
        test: images to judge on, at least 1. For all three, 0 takes what the
            source itself places there.
        seed: of the PCG64 generator that draws; the same on every platform.

    Raises:
        DataError: sizes that the source cannot serve, or too few classes or
            images of a class.
    """
    sizes = {"test": test, "validation": validation, "calibration": calibration}
    placed = _placed(source)
    for name in ("validation", "calibration", "test"):
        if sizes[name] < 1 and name not in placed:
            raise DataError(_nothing_to_take(source, name, sizes[name]))
    _check_classes(source, task, splits=len({*SPLITS} - (placed.keys() - {"train"})))
    if task == "anomaly":
        _check_anomalies(source, placed, test)

    # One generator per pool: the size of the test part cannot disturb the training part.
    streams = [np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(seed).spawn(6)]
    of = dict(zip(("train", "test", "order", "validation", "calibration", "anomalies"), streams, strict=True))
    own, classes = Part(source.images, source.labels), len(source.classes)

    def pool_of(name: str, part: Part, members: Indices) -> Pool:
        groups = None if part is source.test else source.groups
        return open_pool(part.labels, classes, members, groups, of[name], train=name == "train")

    members, faulty = _apart(source, placed["train"]) if task == "anomaly" else (placed["train"], None)
    pool = pool_of("train", own, members)
    drawn: dict[str, tuple[Part, Indices]] = {}
    for name, size in sizes.items():
        if name in placed:
            part = source.test if name == "test" and source.test is not None else own
            given = pool_of(name, part, placed[name])
            drawn[name] = part, given.carve(size or len(given), name)
        elif name == "test" and faulty is not None:
            anomalies = pool_of("anomalies", own, faulty)
            some = anomalies.carve(min(len(anomalies), size // 2), "test")
            # Whole groups may be more than asked for; some that are normal are needed all the same.
            drawn[name] = own, np.concatenate([pool.carve(max(1, size - len(some)), "test"), some])
        else:
            if name != "test":
                _leave_some(
                    {key: sizes[key] for key in ("validation", "calibration") if key not in drawn}, pool
                )
            drawn[name] = own, pool.carve(size, name)
    drawn["train"] = own, pool.rest()
    _check_left(source, task, drawn["train"][1])
    part, indices = drawn["calibration"]
    order = interleave(*strata_of(part.labels[indices], classes), of["order"])
    drawn = {name: (part, np.sort(indices)) for name, (part, indices) in drawn.items()}
    drawn["calibration"] = part, indices[order]
    return {
        name: Draw(Selection(part.images, indices), part.labels[indices], source.scale, source.classes)
        for name, (part, indices) in ((name, drawn[name]) for name in SPLITS)
    }


def _placed(source: Source) -> dict[str, Indices]:
    """What the source places in splits; "train" is what is left to carve from."""
    everything = np.arange(len(source.labels))
    if source.split is None:
        placed = {"train": everything}
    else:
        open_to_all = (source.split == "") | (source.split == "train")
        placed = {"train": everything[open_to_all]}
        placed |= {name: everything[source.split == name] for name in SPLITS[1:] if name in source.split}
    if source.test is not None:
        placed["test"] = np.arange(len(source.test.labels))
    return placed


def _apart(source: Source, members: Indices) -> tuple[Indices, Indices]:
    """Normal examples, and those that are not or belong to a group that has some that are not."""
    anomalous = source.labels[members] != 0
    if source.groups is not None:
        groups = source.groups[members]
        anomalous = np.isin(groups, groups[anomalous])
    return members[~anomalous], members[anomalous]


def _nothing_to_take(source: Source, name: str, size: int) -> str:
    if name != "test":
        return f"data.{name}: at least 1 image is required, but it is {size}; ask for one per class"
    return (
        f"data.test: at least 1 image is required, but it is {size}: this source has no official test "
        f"part that 0 could stand for; say how many of its {len(source.labels)} images to test on"
    )


def _leave_some(sizes: Mapping[str, int], pool: Pool) -> None:
    if sum(sizes.values()) >= len(pool):
        raise DataError(
            f"{' + '.join(f'data.{name}' for name in sizes)}: fewer than the {len(pool)} images of the training part "
            f"are required, but they are {' + '.join(map(str, sizes.values()))}; ask for fewer, so that some are left "
            f"to train on"
        )


def _positives(labels: Labels, classes: int) -> Indices:
    """How many examples each class has."""
    return np.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(axis=0)


def _check_classes(source: Source, task: str, splits: int) -> None:
    if task == "regression":
        return
    counts = _positives(source.labels, len(source.classes))
    if task == "anomaly":
        anomalies = counts[1] + (0 if source.test is None else np.count_nonzero(source.test.labels))
        if anomalies == 0:
            raise DataError(
                f"anomalies are required to test on, but all {len(source.labels)} examples are "
                f"{source.classes[0]}; add some"
            )
        counts = counts[:1]
    elif task == "classification" and np.count_nonzero(counts) < 2:
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


def _check_anomalies(source: Source, placed: Mapping[str, Indices], test: int) -> None:
    """Both kinds are needed to test on, and normal examples alone for everything else."""
    if test == 1:
        raise DataError("data.test: at least 2 images are required, a normal one and an anomaly, but it is 1")
    for name in (name for name in placed if name != "test" and (name != "train" or "test" in placed)):
        if count := np.count_nonzero(source.labels[placed[name]]):
            raise DataError(
                f"{count} anomalies are in the {name} split of the data, but training, validation and calibration "
                f"take normal examples only; move them into the test split"
            )
    if "test" in placed:
        labels = source.labels[placed["test"]] if source.test is None else source.test.labels
        if len(np.unique(labels)) < 2:
            kind = source.classes[int(labels[0])]
            raise DataError(
                f"the test split of the data must hold normal examples and anomalies, but all {len(labels)} are "
                f"{kind}; add the other kind"
            )


def _check_left(source: Source, task: str, train: Indices) -> None:
    """Every class that is trained on needs an example."""
    if task == "regression":
        return
    labels = source.labels[train]
    counts = _positives(labels, len(source.classes))
    for name, count in zip(source.classes[: 1 if task == "anomaly" else None], counts, strict=False):
        if count == 0:
            raise DataError(
                f"class {name!r}: at least one image must be left to train on, but the other splits take all "
                f"of them; lower data.test, data.validation or data.calibration"
            )
