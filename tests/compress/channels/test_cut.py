"""One cut of a model: its cost is met, whatever says what a channel is worth."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgebuild.compress.channels.analyse import analyse
from edgebuild.compress.channels.cost import macs
from edgebuild.compress.channels.cut import cut, share_of_round
from edgebuild.tasks.classification import Classification
from edgebuild.train.losses import distillation
from edgebuild.zoo.ds_cnn import ds_cnn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
GENERATOR = np.random.default_rng(0)
TRAIN = SimpleNamespace(
    images=GENERATOR.integers(0, 256, (90, 8, 8, 1)).astype(np.uint8), labels=np.arange(90) % 3, scale=1 / 255
)
LOGITS = GENERATOR.normal(size=(90, 3)).astype(np.float32)


@pytest.fixture
def model(backend):
    backend[1].utils.set_random_seed(5)
    return ds_cnn(backend[1], (8, 8, 1), 3, width=16, blocks=2, stages=2, stem_stride=1)


def smaller(backend, model, share, time=None, **how):
    given = {"importance": "taylor", "spread": "uniform", "multiple": 1, "batch_size": 20} | how
    loss = distillation(4.0, 0.7)
    return cut(
        backend[0],
        model,
        SimpleNamespace(**given),
        share,
        task=Classification(),
        train=TRAIN,
        logits=LOGITS,
        loss=loss,
        time=time,
    )


@pytest.mark.parametrize("importance", ["taylor", "magnitude"])
@pytest.mark.parametrize("spread", ["uniform", "global"])
def test_the_macs_are_at_most_the_share_and_close_to_it(backend, model, importance, spread):
    found = smaller(backend, model, 0.5, importance=importance, spread=spread)
    assert 0.4 < macs(analyse(found)) / macs(analyse(model)) <= 0.5
    assert found.count_params() < model.count_params()


def test_channel_counts_are_multiples_where_they_shrink(backend, model):
    found = smaller(backend, model, 0.5, multiple=4)
    assert all(layer.filters % 4 == 0 for layer in found.layers if type(layer).__name__ == "Conv2D")


def test_a_measured_time_may_be_the_cost(backend, model):
    asked = []

    def time(candidate):
        asked.append(candidate.count_params())
        return float(candidate.count_params())

    found = smaller(backend, model, 0.3, time=time)
    assert found.count_params() <= 0.3 * model.count_params()
    assert max(asked) == model.count_params()


def test_the_same_cut_twice_is_the_same_network(backend, model):
    one, two = (smaller(backend, model, 0.5) for _ in range(2))
    for first, second in zip(one.weights, two.weights, strict=True):
        np.testing.assert_array_equal(np.array(first), np.array(second))


def test_rounds_together_leave_what_one_cut_would():
    assert share_of_round(0.5, 1) == 0.5
    assert share_of_round(0.5, 3) ** 3 == pytest.approx(0.5)
