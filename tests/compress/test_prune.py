"""Pruning: exact counts, the published schedule, masks that hold."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgebuild.compress.prune import (
    SCHEMES,
    Pruner,
    fits_two_four,
    global_masks,
    lamp,
    polynomial_sparsity,
    prunable,
    smallest_mask,
    sparsity,
    two_four_masks,
)
from edgebuild.compress.quantize import to_fp16, to_w4, to_w8
from edgebuild.graph.ir import CHANNEL_AXIS
from edgebuild.train.loop import keras_trainee
from edgebuild.train.losses import cross_entropy
from tests.networks import lowered, network
from tests.train.interrupted import assert_resumes_to_the_same_bits


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


@pytest.mark.parametrize("scheme", SCHEMES)
def test_sparsity_is_reached_at_the_end_of_the_ramp_and_kept(scheme):
    generator = np.random.default_rng(0)
    kernels = [Kernel(generator.normal(size=(8, 5)).astype(np.float32)) for _ in range(2)]
    pruner = Pruner(kernels, 0.5, ramp_steps=7, frequency=3, scheme=SCHEMES[scheme])
    zeros = []
    for step in range(1, 12):
        for kernel in kernels:  # what an optimizer would do: move every weight
            kernel.assign(kernel.values + generator.normal(0, 0.01, (8, 5)).astype(np.float32))
        pruner(step)
        zeros.append(sparsity(kernels))
    assert zeros[6:] == [0.5] * 5
    assert zeros[2] < 0.5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_interrupted_training_resumes_with_its_masks_to_the_same_bits(backend, tmp_path):
    tf, keras = backend
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
    data = SimpleNamespace(images=images, labels=np.arange(20) % 2, scale=1 / 255)
    recipe = SimpleNamespace(
        epochs=2, batch_size=5, learning_rate=1e-2, weight_decay=0.0, shift=0, flip=False, augment=""
    )

    def make(seed):
        keras.utils.set_random_seed(seed)
        layers = keras.layers
        model = keras.Sequential(
            [keras.Input((4, 4, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)]
        )
        pruner = Pruner(prunable(model), 0.5, ramp_steps=5, frequency=2, scheme=global_masks)
        trainee = keras_trainee(tf, model, data.scale, cross_entropy)
        return replace(trainee, state=[*trainee.state, *pruner.masks]), pruner

    assert_resumes_to_the_same_bits(backend, make, data, recipe, tmp_path)


kernel_pairs = st.tuples(
    hnp.arrays(np.float32, (3, 2, 4, 5), elements=st.floats(-1, 1, width=32)),
    hnp.arrays(np.float32, (8, 3), elements=st.floats(-100, 100, width=32)),
)


@given(kernel_pairs, st.floats(0, 0.99))
def test_one_ranking_removes_exactly_the_asked_share_of_all_kernels_together(kernels, share):
    masks = global_masks(kernels, share)
    assert [mask.shape for mask in masks] == [kernel.shape for kernel in kernels]
    assert sum(int((mask == 0).sum()) for mask in masks) == round(share * sum(k.size for k in kernels))


@given(kernel_pairs, st.integers(-3, 3), st.floats(0, 0.99))
def test_one_ranking_does_not_depend_on_the_scale_of_a_layer(kernels, exponent, share):
    assume(all(np.abs(kernel).max() > 1e-3 for kernel in kernels))
    assume(all(np.abs(kernel[kernel != 0]).min() > 1e-30 for kernel in kernels))
    scaled = (kernels[0] * np.float32(2.0**exponent), kernels[1])
    for one, other in zip(global_masks(kernels, share), global_masks(scaled, share), strict=True):
        assert np.array_equal(one, other)


@given(hnp.arrays(np.float32, (6, 7), elements=st.floats(-10, 10, width=32)))
def test_the_score_of_one_ranking_is_the_formula_of_the_paper(values):
    squares = np.square(values.astype(np.float64))
    scores = lamp(values)
    for index in np.ndindex(values.shape):
        larger = squares[squares > squares[index]].sum()
        alike = squares[squares == squares[index]].sum()  # of equal weights, the first counts the others
        if squares[index] > 0:
            low, high = squares[index] / (larger + alike), squares[index] / (larger + squares[index])
            assert low * (1 - 1e-9) <= scores[index] <= high * (1 + 1e-9)


@given(hnp.arrays(np.float32, (3, 2, 8, 5), elements=st.floats(-1, 1, width=32)))
def test_two_of_every_four_input_channels_go_and_they_are_the_smaller_ones(kernel):
    (mask,) = two_four_masks([kernel], 0.5)
    groups = np.moveaxis(mask, 2, 3).reshape(-1, 4)
    values = np.abs(np.moveaxis(kernel, 2, 3).reshape(-1, 4))
    assert (groups.sum(axis=1) == 2).all()
    assert (
        np.where(groups == 0, values, 0).max(axis=1) <= np.where(groups == 1, values, 2).min(axis=1)
    ).all()


@given(hnp.arrays(np.float32, (8, 6), elements=st.floats(-1, 1, width=32)), st.floats(0, 0.5))
def test_on_the_way_to_two_of_four_no_group_loses_more(kernel, share):
    (mask,) = two_four_masks([kernel], share)
    assert (mask == 0).sum() == round(2 * share * kernel.size / 2)
    assert (mask.T.reshape(-1, 4).sum(axis=1) >= 2).all()


def test_kernels_whose_input_channels_are_no_multiple_of_four_stay_whole_in_two_of_four():
    kernels = [np.ones((3, 3, 3, 8), np.float32), np.ones((3, 3, 8, 3), np.float32)]
    assert [fits_two_four(kernel) for kernel in kernels] == [False, True]
    assert [mask.mean() for mask in two_four_masks(kernels, 0.5)] == [1, 0.5]


@pytest.mark.parametrize("lower", [to_fp16, to_w8, to_w4, lambda graph: lowered(graph, "int8")])
def test_every_precision_keeps_the_zeros(lower):
    graph = network()
    pruned = [node for node in graph if node.op in CHANNEL_AXIS and node.op != "depthwise_conv2d"]
    for node in pruned:
        values = node.weights["kernel"].values
        values *= smallest_mask(values, 0.5)
    after = lower(graph)
    for node in pruned:
        zero = node.weights["kernel"].values == 0
        assert zero.any()
        assert not after[node.name].weights["kernel"].values[zero].any()


def test_depthwise_kernels_are_not_pruned(backend):
    _, keras = backend
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.DepthwiseConv2D(3),
            layers.SeparableConv2D(5, 3, name="separable"),
            layers.Flatten(),
            layers.Dense(2, name="dense"),
        ]
    )
    assert [kernel.path.partition("/")[2] for kernel in prunable(model)] == [
        "conv/kernel",
        "separable/pointwise_kernel",
        "dense/kernel",
    ]
