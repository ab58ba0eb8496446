"""Fine-tuning in a precision: what the simulation learns survives an interruption."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgebuild.compress.finetune import fine_tuned, simulation_trainee
from edgebuild.compress.ranges import observe
from edgebuild.compress.simulate import simulated
from edgebuild.tasks.classification import Classification
from edgebuild.train import checkpoint as module
from edgebuild.train.losses import distillation
from tests.networks import LABELS, network
from tests.train.interrupted import assert_resumes_to_the_same_bits, every_step

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RECIPE = SimpleNamespace(
    epochs=2,
    batch_size=5,
    learning_rate=1e-2,
    weight_decay=0.0,
    shift=0,
    flip=False,
    augment="",
    temperature=2.0,
    alpha=0.5,
)


def data():
    images = np.random.default_rng(5).integers(0, 256, (9, 9, 9, 1)).astype(np.uint8)
    return SimpleNamespace(images=images, labels=np.arange(9) % len(LABELS), scale=1 / 255)


def guide():
    return np.random.default_rng(6).normal(size=(9, len(LABELS))).astype(np.float32)


@pytest.mark.parametrize("precision", ["w4", "int8"])
def test_an_interrupted_fine_tuning_resumes_to_the_same_bits(backend, tmp_path, precision):
    tf, _ = backend
    graph = network(channels=1)
    real = data().images.astype(np.float32) / np.float32(255)
    grids = observe(graph, real, ranges="minmax", percentile=99.9) if precision == "int8" else None

    def make(seed):
        trainee = simulation_trainee(
            tf, simulated(tf, graph, precision, grids), 1 / 255, distillation(2.0, 0.5)
        )
        return trainee, lambda done: None

    assert_resumes_to_the_same_bits(backend, make, data(), RECIPE, tmp_path, guide())


def test_the_graph_of_a_resumed_fine_tuning_is_that_of_an_uninterrupted_one(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PARTS", 0)
    tf, keras = backend
    said = []

    def tuned(on_epoch, checkpoint=None):
        graph = fine_tuned(
            tf, keras, network(channels=1), "w4", RECIPE, task=Classification(), train=data(), validation=data(),
            guide=guide(), seed=1, on_epoch=on_epoch, checkpoint=checkpoint,
        )  # fmt: skip
        return [weight.values for node in graph for weight in node.weights.values()]

    def stop(epoch):
        raise KeyboardInterrupt

    expected = tuned(lambda epoch: None)
    with pytest.raises(KeyboardInterrupt):
        tuned(stop, every_step(tmp_path, said))
    found = tuned(lambda epoch: None, every_step(tmp_path, said))
    assert said == ["student resumes after epoch 0 of 2 and 9 images"]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
