"""Nine networks of keras.applications in all three formats: written, loaded back and compared with the reference.

Their weights are random, so a difference of one rounding early in an integer network can be many steps at its
end, as it is between that network and the float one: labels are judged, and logits against how far rounding alone
carries the reference.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.compress.quantize import to_int8
from edgebuild.compress.ranges import observe
from edgebuild.formats.registry import open_writer
from edgebuild.graph.check import check
from edgebuild.graph.run import run
from edgebuild.measure.parity import nudged
from tests.applications import APPLICATIONS, frozen, pixels

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

ENDINGS = {"litert": ".tflite", "onnx": ".onnx", "coreml": ".mlpackage"}

#: Relative to the largest logit, as for the reference against Keras: InceptionV3 reaches 1.1e-4, the others 3e-5.
ERROR = 2e-4
INTEGER = ("MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "ResNet50")
#: The least share of labels that are those of the integer reference.
LABELS = 0.85
#: The largest mean difference of logits, relative to what moving one code in fifty of the input by one does to
#: the reference itself: 0.0 to 0.4 here, and 3 or more where a file computes something else.
MOVED = 0.6


@pytest.fixture(scope="module", params=APPLICATIONS)
def network(request, backend):
    """``(name, fp32 graph)`` of an application."""
    return request.param, frozen(backend[1], request.param)


def predicted(graph, format, folder, images):
    module, path = open_writer(format), folder / f"model{ENDINGS[format]}"
    module.write(graph, path)
    return module.load(path, 1).predict(images)


@pytest.mark.parametrize("format", ENDINGS)
def test_a_float_file_computes_what_the_reference_computes(tmp_path, network, format):
    name, graph = network
    images = pixels(name, 8, seed=1)
    expected = run(graph, images)
    assert (
        np.abs(predicted(graph, format, tmp_path, images) - expected).max() <= ERROR * np.abs(expected).max()
    )


@pytest.mark.parametrize("network", INTEGER, indirect=True)
@pytest.mark.parametrize("format", ENDINGS)
def test_an_integer_file_gives_the_labels_of_the_integer_reference(tmp_path, network, format):
    name, graph = network
    whole = to_int8(graph, observe(graph, pixels(name, 16, seed=0), ranges="minmax", percentile=99.9))
    check(whole, name)
    images = pixels(name, 32, seed=1)
    expected, found = run(whole, images), predicted(whole, format, tmp_path, images)
    moved = np.abs(run(whole, nudged(whole, images)) - expected).mean()
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= LABELS
    assert np.abs(found - expected).mean() <= MOVED * moved
