"""Nine networks of keras.applications: frozen, the numpy reference computes what Keras computes."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.graph.freeze import freeze
from edgebuild.graph.run import run
from tests.applications import APPLICATIONS, LABELS, application, pixels

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

#: Relative to the largest logit. Both sides add in float32, in another order: against the same networks in
#: double precision, Keras is up to 6e-5 off and the reference up to 7e-5 (InceptionV3; the others 3e-5).
ERROR = 2e-4


@pytest.fixture(scope="module", params=APPLICATIONS)
def network(request, backend):
    """``(name, Keras model, graph)`` of an application."""
    model = application(backend[1], request.param)
    return request.param, model, freeze(model, LABELS)


def test_the_graph_of_an_application_computes_what_keras_computes(network):
    name, model, graph = network
    images = pixels(name, 4, seed=1)
    expected = model(images, training=False).numpy()
    assert np.abs(run(graph, images) - expected).max() <= ERROR * np.abs(expected).max()


def test_no_normalization_is_left_alone_where_a_convolution_could_take_it(network):
    """What stays: input scaling, hard sigmoids of MobileNetV3, what follows DenseNet's concatenations."""
    _, _, graph = network
    for node in graph.nodes[1:]:
        source = graph[node.inputs[0]]
        affine = node.op == "depthwise_conv2d" and node.weights["kernel"].values.shape[:2] == (1, 1)
        if affine and source.weights and len(graph.consumers(source.name)) == 1:
            assert source.activation != "none", node.name
