"""Each task from a training to an exported file, small: it learns, its integers agree, its file gives what it says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgebuild.compress.finetune import fine_tuned
from edgebuild.compress.quantize import to_int8, to_w4
from edgebuild.compress.ranges import observe
from edgebuild.compress.sensitivity import fall_back, sensitivities
from edgebuild.formats.registry import open_writer
from edgebuild.graph.freeze import freeze
from edgebuild.graph.run import run
from edgebuild.measure import oracle
from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.multilabel import MultiLabel
from edgebuild.tasks.regression import Regression, Target
from edgebuild.train.loop import fit, inference, keras_trainee

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
COUNT, SIDE, SCALE = 240, 6, 1 / 255
CLASSES = {"multilabel": ("left", "top"), "regression": ("x", "y"), "anomaly": ("normal", "anomaly")}
TASKS = {
    "multilabel": MultiLabel(),
    "regression": Regression((Target("x", 250.0, 150.0, 60.0), Target("y", 2.5, 1.5, 0.6))),
    "anomaly": AnomalyDetection(0.1),
}


def data(kind, seed=0, anomalies=False):
    """Bright spots on a square: in which halves they lie, where they lie, or whether there is more than one."""
    generator = np.random.default_rng(seed)
    rows, columns = generator.integers(0, SIDE, (2, COUNT))
    images = generator.integers(0, 30, (COUNT, SIDE, SIDE, 1)).astype(np.uint8)
    images[np.arange(COUNT), rows, columns] = 220
    labels = {
        "multilabel": np.stack([columns < 3, rows < 3], axis=1).astype(np.int64),
        "regression": np.stack([100.0 * columns, rows], axis=1).astype(np.float32),
        "anomaly": np.arange(COUNT) % 2 * anomalies,
    }[kind]
    if anomalies:
        images[labels == 1, 2:4, 2:5] = 150
    return SimpleNamespace(images=images, labels=labels, scale=SCALE)


def recipe(epochs):
    return SimpleNamespace(
        epochs=epochs, batch_size=24, learning_rate=1e-2, weight_decay=0.0, shift=0, flip=False, augment="",
        temperature=2.0, alpha=0.5,
    )  # fmt: skip


@pytest.fixture(scope="module", params=TASKS)
def built(request, backend):
    """Kind, task, curve, trained model and fp32 graph."""
    (tf, keras), kind = backend, request.param
    task, epochs = TASKS[kind], []
    keras.utils.set_random_seed(3)
    image = keras.Input((SIDE, SIDE, 1))
    hidden = keras.layers.Dense(24, activation="relu")(keras.layers.Flatten()(image))
    model = keras.Model(image, keras.layers.Dense(task.outputs((SIDE, SIDE, 1), CLASSES[kind]))(hidden))
    fit(
        tf, keras, keras_trainee(tf, model, SCALE, task.loss), data(kind), data(kind, 1), recipe(25),
        task=task, seed=1, on_epoch=epochs.append,
    )  # fmt: skip
    graph = freeze(model, task.names(CLASSES[kind]), SCALE, task=task.kind, units=task.units)
    return kind, task, epochs, model, graph


def real(examples):
    return examples.images.astype(np.float32) * np.float32(SCALE)


def test_it_learns(built):
    _, _, epochs, _, _ = built
    assert epochs[-1].metrics["val_loss"] < 0.6 * epochs[0].metrics["val_loss"]
    assert epochs[-1].metrics["val_accuracy"] > 0.3


def test_the_quality_of_the_trained_network_is_good(built, backend):
    kind, task, _, model, _ = built
    test = data(kind, 2, anomalies=kind == "anomaly")
    outputs = inference(backend[0], model, SCALE)(test.images)
    assert task.score(task.answers(outputs, real(test)), test.labels).value > 0.75


def test_integers_keep_most_decisions_and_stay_close_to_every_output(built):
    kind, task, _, _, graph = built
    images, labels = real(data(kind)), data(kind).labels
    truth = task.answers(run(graph, images), images)
    settled = task.settled(truth, labels)
    grids = observe(graph, images, ranges="minmax", percentile=100)
    integer, in_float = fall_back(graph, lambda names: to_int8(graph, grids, names), images, 0.1, settled)
    assert in_float == ()
    found = task.answers(run(integer, images), images)
    assert settled.alike(found, truth).mean() >= 0.9
    outputs = run(graph, images)
    assert np.abs(run(integer, images) - outputs).max() < 0.1 * np.ptp(outputs)
    rows = sensitivities(graph, integer, images[:50], settled)
    assert {row.node for row in rows} == {node.name for node in graph if node.weights}
    assert all(row.divergence > 0 for row in rows)


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_the_integer_file_is_held_to_its_graph(built, tmp_path, format):
    kind, task, _, _, graph = built
    test = data(kind, 2, anomalies=kind == "anomaly")
    images = real(test)
    integer = to_int8(graph, observe(graph, images, ranges="minmax", percentile=100))
    open_writer(format).write(integer, tmp_path / "file")
    session = open_writer(format).load(tmp_path / "file", threads=1)
    compared = oracle.Comparison(task, integer.output.grid.scale)
    for start in range(0, COUNT, 100):
        part = images[start : start + 100]
        compared.add(session.predict(part), run(integer, part), part)
    verdict = oracle.judge(compared.verdict(test.labels), oracle.GRID_LIMITS[format], "the file")
    assert verdict.images == COUNT


def test_four_bits_are_fine_tuned_on_the_task(built, backend):
    kind, task, _, _, graph = built
    examples = data(kind)
    outputs = run(graph, real(examples))
    lost = []
    for tuned in (graph, None):
        if tuned is None:
            tuned = fine_tuned(
                *backend, graph, "w4", recipe(6), task=task, train=examples, validation=examples, guide=outputs,
                seed=1, on_epoch=lambda epoch: None,
            )  # fmt: skip
        losses, _ = task.validate(
            run(to_w4(tuned), real(examples)), task.truth(examples.images, examples.labels, SCALE)
        )
        lost.append(losses.mean())
    assert lost[1] < lost[0]
