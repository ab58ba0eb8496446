"""Splits of data whose labels overlap, that has groups or splits of its own, or that knows normal and not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild.data.split import Split
from edgebuild.errors import DataError
from edgebuild.sources.prepare import prepare as draw
from edgebuild.sources.source import Source, source
from edgebuild.sources.strata import iterative
from tests.sources.test_prepare import numbered, numbers

SIZES = {"validation": 20, "calibration": 20, "test": 40, "seed": 1}


def make(labels: npt.NDArray[np.generic], **options: Any) -> Source:
    names = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    classes = tuple(f"class {number}" for number in range(names))
    images = numbered(np.arange(len(labels)))
    return source(images, labels, scale=1 / 255, classes=classes, where="made up", **options)


def prepare(whole: Source, task: str = "classification", **options: Any) -> dict[str, Split]:
    return {name: drawn.load() for name, drawn in draw(whole, task=task, **(SIZES | options)).items()}


def overlapping(count: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Four labels that hold for half, a fifth, a tenth and a fiftieth of the examples."""
    generator = np.random.default_rng(seed)
    return (generator.random((count, 4)) < [0.5, 0.2, 0.1, 0.02]).astype(np.int64)


def test_every_label_keeps_its_share() -> None:
    labels = overlapping(2000)
    splits = prepare(make(labels), "multilabel", validation=200, calibration=200, test=400)
    assert [len(split) for split in splits.values()] == [1200, 200, 200, 400]
    for split in splits.values():
        share = labels.mean(axis=0) * len(split)
        assert np.abs(split.labels.sum(axis=0) - share).max() <= 3  # a random draw is off by some 10
        assert np.array_equal(split.labels, labels[numbers(split)])


@settings(deadline=None, max_examples=60)
@given(count=st.integers(2, 60), share=st.floats(0, 1), rare=st.floats(0, 1), seed=st.integers(0, 2**31 - 1))
def test_iterative_stratification_takes_exactly_as_many_as_asked(
    count: int, share: float, rare: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    labels = (generator.random((count, 3)) < [0.5, rare, rare / 4]).astype(np.int64)
    size = round(share * count)
    taken = iterative(labels, size, generator)
    assert taken.shape == (count,)
    assert taken.sum() == size


def test_a_label_alone_is_shared_out_exactly() -> None:
    labels = np.array([[1]] * 30 + [[0]] * 70)
    taken = iterative(labels, 20, np.random.default_rng(0))
    assert labels[taken].sum() == 6


def test_targets_are_drawn_at_random_and_stay_with_their_images() -> None:
    targets = np.arange(200, dtype=np.float32).reshape(100, 2) / 3
    splits = prepare(make(targets), "regression")
    assert [len(split) for split in splits.values()] == [20, 20, 20, 40]
    drawn = np.concatenate([numbers(split) for split in splits.values()])
    assert sorted(drawn) == list(range(100))
    for split in splits.values():
        assert split.labels.dtype == np.float32
        assert np.array_equal(split.labels, targets[numbers(split)])


def anomalies(normal: int, bad: int, **options: Any) -> Source:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1], [normal, bad]))
    return make(labels, **options)


@pytest.mark.parametrize(("bad", "expected"), [(100, 20), (8, 8)])
def test_only_the_test_split_holds_anomalies_half_of_it_or_all_there_are(bad: int, expected: int) -> None:
    splits = prepare(anomalies(100, bad), "anomaly")
    assert splits["test"].labels.tolist().count(1) == expected
    assert len(splits["test"]) == 40
    for name in ("train", "validation", "calibration"):
        assert not splits[name].labels.any()
    assert [len(splits[name]) for name in ("validation", "calibration")] == [20, 20]
    assert len(splits["train"]) == 100 - (40 - expected) - 40


def test_a_test_of_one_example_cannot_tell_two_kinds_apart() -> None:
    with pytest.raises(DataError, match=r"data\.test: at least 2 images are required"):
        prepare(anomalies(100, 10), "anomaly", test=1)


@pytest.mark.parametrize("name", ["train", "validation"])
def test_anomalies_that_the_data_place_in_training_are_refused(name: str) -> None:
    split = np.array(["train"] * 60 + ["validation"] * 20 + ["test"] * 20)
    labels = (np.arange(100) % 10 == 0) & (split == "test")
    labels[np.flatnonzero(split == name)[:3]] = True
    whole = make(labels.astype(np.int64), split=split)
    with pytest.raises(DataError, match=f"3 anomalies are in the {name} split of the data"):
        prepare(whole, "anomaly", validation=0, test=0)


def test_a_test_split_of_the_datas_own_needs_both_kinds() -> None:
    split = np.array(["train"] * 60 + ["test"] * 20)
    whole = make((split == "test").astype(np.int64), split=split)
    with pytest.raises(DataError, match="must hold normal examples and anomalies, but all 20 are class 1"):
        prepare(whole, "anomaly", test=0)


def test_a_large_group_of_anomalies_leaves_normal_ones_to_test_on() -> None:
    groups = np.repeat(np.arange(10), 30)
    whole = make((groups == 3).astype(np.int64), groups=groups)
    splits = prepare(whole, "anomaly", validation=20, calibration=20, test=20)
    assert set(splits["test"].labels.tolist()) == {0, 1}


def test_without_anomalies_there_is_nothing_to_test_on() -> None:
    whole = source(
        numbered(np.arange(100)),
        np.zeros(100, int),
        scale=1 / 255,
        classes=("normal", "anomaly"),
        where="here",
    )
    with pytest.raises(DataError, match="anomalies are required to test on, but all 100 examples are normal"):
        prepare(whole, "anomaly")


def test_a_recording_that_goes_bad_is_not_trained_on() -> None:
    whole = anomalies(300, 10, groups=np.arange(310) // 10)
    bad = {int(group) for group in np.flatnonzero(whole.labels) // 10}
    splits = prepare(whole, "anomaly")
    for name in ("train", "validation", "calibration"):
        assert not bad & {number // 10 for number in numbers(splits[name])}


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=12, max_size=40),
    seed=st.integers(0, 2**31 - 1),
    task=st.sampled_from(["classification", "multilabel", "regression"]),
)
def test_no_group_straddles_splits_and_nothing_is_lost(sizes: list[int], seed: int, task: str) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels: Any = np.arange(len(groups)) % 2
    if task == "multilabel":
        labels = np.stack([labels, labels, 1 - labels], 1)
    if task == "regression":
        labels = labels[:, None].astype(np.float32)
    few = max(1, len(groups) // 10)
    whole = make(labels, groups=groups)
    try:
        splits = prepare(whole, task, validation=few, calibration=few, test=few, seed=seed)
    except DataError as error:  # all of a class may be in one group
        expected = ("must be left to train on", "least 4 images", "groups are kept whole")
        assert any(reason in str(error) for reason in expected)
        return
    drawn = np.concatenate([numbers(split) for split in splits.values()])
    assert sorted(drawn) == list(range(len(groups)))
    homes = [{int(groups[number]) for number in numbers(split)} for split in splits.values()]
    assert sum(map(len, homes)) == len(set().union(*homes))
    assert all(homes)


def test_of_many_groups_sizes_and_shares_are_met() -> None:
    generator = np.random.default_rng(0)
    groups = np.sort(generator.integers(0, 200, 3000))
    labels = generator.integers(0, 3, 3000)
    splits = prepare(make(labels, groups=groups), validation=300, calibration=300, test=600)
    for name, size in (("validation", 300), ("calibration", 300), ("test", 600)):
        assert abs(len(splits[name]) - size) <= 15
        assert np.abs(np.bincount(splits[name].labels) - size / 3).max() <= 25


def test_groups_are_drawn_anew_with_another_seed() -> None:
    whole = make(np.arange(400) % 2, groups=np.arange(400) // 10)
    one, two = (prepare(whole, seed=seed) for seed in (1, 2))
    assert numbers(one["test"]) != numbers(two["test"])


def test_too_few_groups_are_refused() -> None:
    whole = make(np.arange(120) % 2, groups=np.arange(120) // 40)
    with pytest.raises(DataError, match="groups are kept whole, .* at least four groups are required"):
        prepare(whole)


def placed(**counts: int) -> Source:
    names = np.random.default_rng(0).permutation(np.repeat(list(counts), list(counts.values())))
    return make(np.arange(len(names)) % 2, split=["" if name == "free" else name for name in names])


def test_what_the_data_place_in_a_split_stays_there() -> None:
    whole = placed(train=100, validation=30, test=50)
    assert whole.split is not None
    splits = prepare(whole, validation=0, test=0)
    assert [len(split) for split in splits.values()] == [80, 30, 20, 50]
    for name in ("validation", "test"):
        assert set(whole.split[numbers(splits[name])]) == {name}
    for name in ("train", "calibration"):
        assert set(whole.split[numbers(splits[name])]) == {"train"}


def test_fewer_may_be_drawn_from_what_is_placed_but_not_more() -> None:
    whole = placed(free=60, train=60, validation=30, calibration=10, test=50)
    splits = prepare(whole, validation=20, calibration=0, test=40)
    assert [len(split) for split in splits.values()] == [120, 20, 10, 40]
    with pytest.raises(DataError, match=r"data\.validation: at most the 30 images"):
        prepare(whole, validation=31, calibration=0)


def test_nothing_placed_cannot_be_taken_whole() -> None:
    with pytest.raises(DataError, match=r"data\.validation: at least 1 image"):
        prepare(placed(train=100, test=50), validation=0)


def test_images_are_fetched_only_when_a_split_is_written() -> None:
    class Counted:
        shape, dtype = (100, 1, 3, 1), np.dtype(np.uint8)
        fetched = 0

        def __len__(self) -> int:
            return 100

        def __getitem__(self, chosen: npt.NDArray[np.int64], /) -> npt.NDArray[np.uint8]:
            self.fetched += len(chosen)
            return numbered(np.arange(100))[chosen]

    images = Counted()
    whole = source(images, np.arange(100) % 2, scale=1 / 255, classes=("a", "b"), where="here")
    drawn = draw(whole, task="classification", **SIZES)
    assert images.fetched == 0
    assert numbers(drawn["train"].load()) == drawn["train"].images.indices.tolist()
    assert images.fetched == 20


def test_a_class_that_two_labels_need_has_an_example_for_each_split() -> None:
    labels = overlapping(200)
    labels[:, 3] = 0
    with pytest.raises(DataError, match="class 'class 3': at least 4 images are required, .* there are 0"):
        prepare(make(labels), "multilabel")
