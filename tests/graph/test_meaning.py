"""What a file says of its outputs, where they are no classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgebuild.errors import GraphError
from edgebuild.formats.registry import open_writer
from edgebuild.graph import file
from edgebuild.graph.freeze import freeze
from edgebuild.graph.meaning import outputs_mean, properties
from edgebuild.graph.run import run
from tests.networks import network

UNITS = ((15.0, 40.0), (1.0, 0.0), (2.0, 0.5), (1e-3, 7.0))
REGRESSION = replace(network(), task="regression", units=UNITS)


def test_a_regression_tells_how_to_get_units():
    assert outputs_mean(REGRESSION).startswith(
        "standardized targets: zero = output[0] * 15.0 + 40.0, one = output[1]"
    )
    assert properties(REGRESSION) == {
        "task": "regression",
        "units": "[[15.0, 40.0], [1.0, 0.0], [2.0, 0.5], [0.001, 7.0]]",
    }


@pytest.mark.parametrize("task", ["multilabel", "anomaly"])
def test_other_tasks_say_what_to_compute_of_the_outputs(task):
    graph = replace(network(), task=task)
    assert {"multilabel": "sigmoid", "anomaly": "mean squared difference"}[task] in outputs_mean(graph)
    assert properties(graph) == {"task": task}


def test_a_classifier_says_no_more_than_it_did():
    assert (outputs_mean(network()), properties(network())) == ("logits", {})


@pytest.mark.parametrize("labels", [("zero", "one", "two", "three"), ()])
def test_task_and_units_survive_the_file_and_outputs_may_have_no_names(tmp_path, labels):
    graph = replace(network(), task="anomaly" if not labels else "regression", units=UNITS if labels else ())
    graph = replace(graph, labels=labels)
    file.write(graph, tmp_path / "graph.safetensors")
    found = file.read(tmp_path / "graph.safetensors")
    assert (found.task, found.units, found.labels) == (graph.task, graph.units, labels)


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_the_exported_file_carries_the_constants(tmp_path, format):
    open_writer(format).write(REGRESSION, tmp_path / "file")
    content = (tmp_path / "file").read_bytes()
    assert b"zero = output[0] * 15.0 + 40.0" in content
    assert (b"[[15.0, 40.0]" in content) == (format == "onnx")


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_a_file_without_names_of_outputs_is_written_and_gives_the_same(tmp_path, format):
    graph = replace(network(), task="anomaly", labels=())
    open_writer(format).write(graph, tmp_path / "file")
    images = np.random.default_rng(0).random((3, *graph.input.shape)).astype(np.float32)
    np.testing.assert_allclose(
        open_writer(format).load(tmp_path / "file", threads=1).predict(images), run(graph, images), atol=1e-4
    )


def test_a_model_whose_outputs_have_no_names_may_have_any_number_of_them(backend):
    keras = backend[1]
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Dense(16)(keras.layers.Flatten()(image)))
    assert freeze(model, (), task="anomaly").output.shape == (16,)
    with pytest.raises(GraphError, match="must give one logit for each of 2 labels"):
        freeze(model, ("a", "b"))
