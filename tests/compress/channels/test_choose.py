"""The choice of channels, for any groups, scores and targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgebuild.compress.channels.analyse import analyse
from edgebuild.compress.channels.choose import choose
from edgebuild.compress.channels.cost import channel_macs, macs
from edgebuild.compress.channels.layout import ChannelGroup, Layout
from edgebuild.errors import UsageError
from tests.compress.channels.models import MODELS


@st.composite
def problems(draw):
    """Groups of some sizes, scores, and prices per channel whose sum is the cost."""
    sizes = draw(st.lists(st.integers(1, 24), min_size=1, max_size=4))
    groups = tuple(ChannelGroup(f"g{i}", (f"g{i}",), (np.array([0]),) * size) for i, size in enumerate(sizes))
    generator = np.random.default_rng(draw(st.integers(0, 99)))
    scores = {group.name: generator.random(group.size).round(1) for group in groups}
    prices = {group.name: draw(st.integers(1, 30)) for group in groups}
    layout = Layout(1, groups, (), (), {}, frozenset())

    def cost(keep):
        return sum(prices[name] * len(indices) for name, indices in keep.items())

    return layout, scores, prices, cost


spreads = st.sampled_from(["uniform", "global"])
shares = st.floats(0, 1.2)


@given(problems(), shares, spreads, st.sampled_from([1, 4, 8]), st.booleans())
def test_the_target_is_met_by_the_best_channels_in_allowed_numbers(problem, share, spread, multiple, priced):
    layout, scores, prices, cost = problem
    target = share * cost({group.name: range(group.size) for group in layout.groups})
    smallest = cost({group.name: range(min(multiple, group.size)) for group in layout.groups})
    assume(target >= smallest)
    keep = choose(
        layout, scores, cost, target, spread=spread, multiple=multiple, prices=prices if priced else None
    )
    assert cost(keep) <= target
    for group in layout.groups:
        left = keep[group.name]
        assert len(left) % multiple == 0 or len(left) == group.size
        assert (np.diff(left) > 0).all()
        gone = np.setdiff1d(np.arange(group.size), left)
        if len(gone):
            assert scores[group.name][gone].max() <= scores[group.name][left].min()


@given(problems(), shares, spreads, st.sampled_from([1, 4]))
def test_no_block_of_any_group_could_stay_too(problem, share, spread, multiple):
    layout, scores, prices, cost = problem
    target = share * cost({group.name: range(group.size) for group in layout.groups})
    assume(target >= cost({group.name: range(min(multiple, group.size)) for group in layout.groups}))
    keep = choose(layout, scores, cost, target, spread=spread, multiple=multiple)
    for group in layout.groups:
        more = min(len(keep[group.name]) + multiple, group.size) - len(keep[group.name])
        assert more == 0 or cost(keep) + more * prices[group.name] > target


@given(problems(), st.floats(0, 1))
def test_no_group_loses_more_than_the_largest_share(problem, most):
    layout, scores, _, cost = problem
    floor = {group.name: range(max(group.size - int(most * group.size), 1)) for group in layout.groups}
    keep = choose(layout, scores, cost, cost(floor), spread="global", most=most)
    assert {name: len(left) for name, left in keep.items()} == {
        name: len(left) for name, left in floor.items()
    }


@given(problems(), st.floats(0, 1), spreads)
def test_no_candidate_is_measured_twice(problem, share, spread):
    layout, scores, _, cost = problem
    measured = []

    def measure(keep):
        measured.append(tuple(len(indices) for indices in keep.values()))
        return cost(keep)

    whole = cost({group.name: range(group.size) for group in layout.groups})
    least = cost({group.name: range(1) for group in layout.groups})
    choose(layout, scores, measure, max(share * whole, least), spread=spread)
    assert len(set(measured)) == len(measured) > 0


@given(problems())
def test_a_target_below_what_must_stay_is_refused_with_what_is_possible(problem):
    layout, scores, prices, cost = problem
    with pytest.raises(UsageError, match=rf"still costs {sum(prices.values()):,};"):
        choose(layout, scores, cost, sum(prices.values()) - 1, spread="global")


def test_an_unknown_spread_is_refused():
    layout = Layout(0, (), (), (), {}, frozenset())
    with pytest.raises(UsageError, match="'even'"):
        choose(layout, {}, lambda keep: 0.0, 1, spread="even")


def test_uniform_takes_the_same_share_of_every_group(backend):
    layout = analyse(MODELS["resnet"](backend[1]))
    scores = {group.name: np.arange(group.size, dtype=float) for group in layout.groups}
    keep = choose(layout, scores, lambda keep: macs(layout, keep), macs(layout) / 2, spread="uniform")
    shares = [len(keep[group.name]) / group.size for group in layout.groups]
    assert max(shares) - min(shares) <= 1 / 6
    assert macs(layout, keep) > 0.4 * macs(layout)


def test_the_price_of_a_channel_is_what_goes_with_it(backend):
    layout = analyse(MODELS["concatenated"](backend[1]))
    after = 8 * 8  # positions of the maps that "left" makes, from 5 channels of the stem
    read = 6 * 6 * 9 * 7  # of the convolution that reads it
    assert channel_macs(layout)["left"] == after * 5 + read
