"""Augmentation: a shifted or mirrored copy, and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.train.augment import augment


def images(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, (6, 5, 7, 2)).astype(np.uint8)


def test_off_means_off():
    batch = images(0)
    same = augment(batch, shift=0, flip=False, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(same, batch)


@given(st.integers(0, 3), st.booleans(), st.integers(0, 1000))
def test_every_image_is_a_shifted_copy_of_itself_or_its_mirror_image(shift, flip, seed):
    batch = images(seed)
    found = augment(batch, shift=shift, flip=flip, generator=np.random.default_rng(seed))
    assert (found.dtype, found.shape) == (batch.dtype, batch.shape)
    for one, other in zip(batch, found, strict=True):
        candidates = [
            np.pad(source, ((shift, shift), (shift, shift), (0, 0)))[down : down + 5, right : right + 7]
            for source in ([one, one[:, ::-1]] if flip else [one])
            for down in range(2 * shift + 1)
            for right in range(2 * shift + 1)
        ]
        assert any(np.array_equal(candidate, other) for candidate in candidates)


def test_the_generator_decides():
    batch = images(1)
    one, two, three = (
        augment(batch, shift=2, flip=True, generator=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


def test_every_shift_and_both_mirror_images_happen():
    one = np.zeros((1, 5, 5, 1), np.uint8)
    one[0, 2, 1:3, 0] = 1, 2  # says where it went and which way it looks
    found = augment(np.repeat(one, 500, 0), shift=1, flip=True, generator=np.random.default_rng(0))
    assert len(np.unique(found.reshape(500, -1), axis=0)) == 18


def test_the_images_that_were_given_stay_as_they_are():
    batch = images(2)
    augment(batch, shift=2, flip=True, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(batch, images(2))
