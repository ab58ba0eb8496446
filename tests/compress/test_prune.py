"""Pruning: exact counts, the published schedule, masks that hold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgebuild.compress.prune import Pruner, polynomial_sparsity, smallest_mask, sparsity


class Kernel:
    """A stand-in for a Keras variable: an array that can be assigned."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __mul__(self, mask):
        return self.values * mask

    def assign(self, values):
        self.values = values


@given(hnp.arrays(np.float32, (4, 7), elements=st.floats(-1, 1, width=32)), st.floats(0, 0.99))
def test_exactly_the_asked_share_is_removed_and_it_is_the_smallest(values, share):
    mask = smallest_mask(values, share)
    assert (mask == 0).sum() == round(share * values.size)
    if (mask == 0).any() and (mask == 1).any():
        assert np.abs(values[mask == 0]).max() <= np.abs(values[mask == 1]).min()


@given(st.integers(1, 1000), st.floats(0, 0.99))
def test_the_schedule_rises_from_zero_to_the_target(steps, final):
    curve = [polynomial_sparsity(step, steps, final) for step in range(steps + 2)]
    assert curve[0] == 0
    assert curve[steps] == curve[-1] == pytest.approx(final)
    assert all(one <= other + 1e-12 for one, other in itertools.pairwise(curve))


def test_the_schedule_is_that_of_the_paper_half_way():
    assert polynomial_sparsity(50, 100, 0.8) == pytest.approx(0.8 * (1 - 0.5**3))


def test_sparsity_is_reached_at_the_end_of_the_ramp_and_kept():
    generator = np.random.default_rng(0)
    kernels = [Kernel(generator.normal(size=(5, 8)).astype(np.float32)) for _ in range(2)]
    pruner = Pruner(kernels, 0.5, ramp_steps=7, frequency=3)
    zeros = []
    for step in range(1, 12):
        for kernel in kernels:  # what an optimizer would do: move every weight
            kernel.assign(kernel.values + generator.normal(0, 0.01, (5, 8)).astype(np.float32))
        pruner(step)
        zeros.append(sparsity(kernels))
    assert zeros[6:] == [0.5] * 5
    assert zeros[2] < 0.5
