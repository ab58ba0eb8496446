"""Disjoint, stratified, seeded splits."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild.data.split import Split
from edgebuild.errors import DataError
from edgebuild.params.data import Data
from edgebuild.sources import digits
from edgebuild.sources.prepare import SPLITS
from edgebuild.sources.prepare import prepare as draw
from edgebuild.sources.source import Source, source
from edgebuild.sources.strata import apportion, interleave

Labels = npt.NDArray[np.int64]

DIGITS = Data(source="digits", folder="", download=False, validation=1, calibration=1, test=1, seed=1)


def numbered(labels: Labels, first: int = 0) -> npt.NDArray[np.uint8]:
    """Images 1×3 that are all different: each spells its own number in base 256."""
    numbers = first + np.arange(len(labels))
    return np.stack([numbers // 65536, numbers // 256 % 256, numbers % 256], axis=-1).reshape(-1, 1, 3, 1)


def numbers(split: Split) -> list[int]:
    return (split.images.reshape(-1, 3).astype(int) @ [65536, 256, 1]).tolist()


def make(counts: list[int], test_counts: list[int] | None = None) -> Source:
    """A source with that many images per class, classes mixed; test images are numbered from 60,000."""
    classes = tuple(f"class {label}" for label in range(len(counts)))
    generator = np.random.Generator(np.random.PCG64(0))
    labels = generator.permutation(np.repeat(np.arange(len(counts)), counts))
    test = None
    if test_counts is not None:
        test_labels = np.repeat(np.arange(len(test_counts)), test_counts)
        test = (numbered(test_labels, 60_000), test_labels)
    return source(numbered(labels), labels, scale=1 / 255, classes=classes, where="made up", test=test)


def prepare(whole: Source, **options: Any) -> dict[str, Split]:
    """The splits, in memory."""
    return {name: drawn.load() for name, drawn in draw(whole, **options).items()}


def per_class(split: Split) -> Labels:
    return np.bincount(split.labels, minlength=len(split.classes))


def assert_stratified(found: Labels, pool: Labels) -> None:
    share = found.sum() * pool / pool.sum()
    assert np.all(np.abs(found - share) < 1), (found, share)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Source, dict[str, int]]:
    counts = draw(st.lists(st.integers(12, 60), min_size=2, max_size=8))
    official = draw(st.booleans())
    total = sum(counts)
    sizes = {name: draw(st.integers(1, total // 5)) for name in ("validation", "calibration", "test")}
    if official:
        sizes["test"] = draw(st.integers(0, 2 * len(counts)))
    return make(counts, [2] * len(counts) if official else None), sizes


@settings(deadline=None, max_examples=60)
@given(problem=problems(), seed=st.integers(0, 2**31 - 1))
def test_splits_are_disjoint_complete_and_stratified(
    problem: tuple[Source, dict[str, int]], seed: int
) -> None:
    whole, sizes = problem
    splits = prepare(whole, **sizes, seed=seed)
    assert tuple(splits) == SPLITS
    drawn = [number for split in splits.values() for number in numbers(split)]
    assert len(drawn) == len(set(drawn))
    expected_test = sizes["test"] or len(whole.classes) * 2
    assert [len(splits[name]) for name in SPLITS[1:]] == [
        sizes["validation"],
        sizes["calibration"],
        expected_test,
    ]
    images = len(whole.labels)
    assert len(drawn) == (images if whole.test is None else images + expected_test)
    for split in splits.values():
        for number, label in zip(numbers(split), split.labels, strict=True):
            origin = whole.labels if number < 60_000 or whole.test is None else whole.test.labels
            assert origin[number if number < 60_000 else number - 60_000] == label

    train, validation, calibration, test = (per_class(splits[name]) for name in SPLITS)
    if whole.test is None:
        assert_stratified(test, train + validation + calibration + test)
    else:
        assert set(numbers(splits["test"])) <= set(range(60_000, 61_000))
    assert_stratified(validation, train + validation + calibration)
    assert_stratified(calibration, train + calibration)


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=9).filter(any), st.integers(0, 2**31 - 1))
def test_every_prefix_of_the_calibration_order_is_stratified(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    order = interleave(labels, len(counts), np.random.Generator(np.random.PCG64(seed)))
    assert sorted(order) == list(range(len(labels)))
    taken = np.zeros(len(counts), int)
    for k, index in enumerate(order, start=1):
        taken[labels[index]] += 1
        assert_stratified(taken, np.array(counts)[: len(counts)])
        assert taken.sum() == k


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any), st.data())
def test_largest_remainders_add_up_and_stay_within_one(counts: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, sum(counts)))
    shares = apportion(size, np.array(counts))
    assert shares.sum() == size
    assert np.all(shares <= counts)
    exact = [size * count / sum(counts) for count in counts]
    assert all(abs(share - real) < 1 for share, real in zip(shares, exact, strict=True))


def test_a_textbook_case_of_largest_remainders() -> None:
    # 10 seats for 1500, 1500, 900, 500, 500, 200 votes: quotas 2.94, 2.94, 1.76, 0.98, 0.98, 0.39.
    assert apportion(10, np.array([1500, 1500, 900, 500, 500, 200])).tolist() == [3, 3, 2, 1, 1, 0]


def test_the_first_ten_calibration_images_of_the_digits_are_ten_digits() -> None:
    calibration = prepare(
        digits.load(DIGITS, "classification"), validation=200, calibration=200, test=400, seed=1
    )["calibration"]
    assert sorted(calibration.labels[:10]) == list(range(10))


def test_the_draw_is_the_same_on_every_platform() -> None:
    splits = prepare(digits.load(DIGITS, "classification"), validation=200, calibration=200, test=400, seed=1)
    found = {
        name: hashlib.sha256(split.images.tobytes() + split.labels.tobytes()).hexdigest()[:16]
        for name, split in splits.items()
    }
    assert found == {
        "train": "1cd9d6df5bc97a1a",
        "validation": "6a33976576dd6956",
        "calibration": "d22efa96fc34c7f5",
        "test": "80ae264af4099fd6",
    }


def test_another_seed_draws_other_images() -> None:
    one, two = (prepare(make([40, 40]), validation=5, calibration=5, test=5, seed=seed) for seed in (1, 2))
    assert all(numbers(one[name]) != numbers(two[name]) for name in SPLITS)


@pytest.mark.parametrize("official", [None, [10, 10, 10]])
def test_the_calibration_size_touches_neither_test_nor_validation(official: list[int] | None) -> None:
    whole = make([40, 30, 20], official)
    one, two = (prepare(whole, validation=9, calibration=size, test=9, seed=3) for size in (4, 20))
    for name in ("test", "validation"):
        assert numbers(one[name]) == numbers(two[name])
    assert set(numbers(one["calibration"])) != set(numbers(two["calibration"]))


def test_the_size_of_an_official_test_part_does_not_touch_training() -> None:
    whole = make([40, 30, 20], [10, 10, 10])
    one, two = (prepare(whole, validation=9, calibration=5, test=size, seed=3) for size in (0, 6))
    assert [numbers(one[name]) for name in SPLITS[:3]] == [numbers(two[name]) for name in SPLITS[:3]]
    assert numbers(one["test"]) == list(range(60_000, 60_030))
    assert per_class(two["test"]).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"calibration": 0}, "data.calibration: at least 1 image"),
        ({"validation": 0}, "data.validation: at least 1 image"),
        ({"test": 0}, "no official test part"),
        ({"test": 61}, "data.test: at most the 60 images"),
        ({"validation": 30, "calibration": 20}, "fewer than the 50 images of the training part"),
        ({"validation": 1000}, "fewer than the 50 images"),
        ({"test": 60}, "fewer than the 0 images"),
    ],
)
def test_sizes_that_the_data_cannot_serve_are_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(make([30, 30]), **({"validation": 5, "calibration": 5, "test": 10} | sizes), seed=1)


def test_more_images_than_the_official_test_part_has_are_refused() -> None:
    with pytest.raises(DataError, match=r"data\.test: at most the 20 images"):
        prepare(make([30, 30], [10, 10]), validation=5, calibration=5, test=21, seed=1)


def test_images_of_one_class_only_are_refused() -> None:
    with pytest.raises(DataError, match="all 30 are of class 'class 0'"):
        prepare(make([30, 0]), validation=5, calibration=5, test=5, seed=1)


@pytest.mark.parametrize(("few", "official", "least"), [(3, None, 4), (0, None, 4), (2, [5, 5, 5], 3)])
def test_a_class_with_too_few_images_is_named(few: int, official: list[int] | None, least: int) -> None:
    with pytest.raises(DataError, match=f"class 'class 1': at least {least} images .* there are {few}"):
        prepare(make([30, few, 30], official), validation=5, calibration=5, test=5, seed=1)


def test_a_class_with_nothing_left_to_train_on_is_named() -> None:
    with pytest.raises(DataError, match="class 'class 1': at least one image must be left to train on"):
        prepare(make([100, 4]), validation=30, calibration=30, test=40, seed=1)
