"""Parity: every exporter's file passes, and every way to be wrong is found."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edgebuild.errors import ParityError
from edgebuild.formats.registry import open_writer
from edgebuild.graph.ir import PRECISIONS
from edgebuild.graph.run import run
from edgebuild.measure.parity import compare, nudged, probes
from tests.networks import NETWORKS, lowered, network


@dataclass(frozen=True)
class Wrong:
    """A session that computes ``graph`` and then spoils what comes out."""

    graph: object
    spoil: object

    def predict(self, images):
        return self.spoil(run(self.graph, images))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("format", ["litert", "onnx", "coreml"])
def test_every_written_file_passes(tmp_path, format, precision, flat):
    graph, module = lowered(network(flat=flat), precision), open_writer(format)
    path = tmp_path / {"litert": "m.tflite", "onnx": "m.onnx", "coreml": "m.mlpackage"}[format]
    module.write(graph, path)
    parity = compare(graph, format, module.load(path, 1))
    assert parity.error <= parity.limit
    assert parity.unit == ("steps" if precision == "int8" else "relative")


def biased(logits):
    return logits + np.float32([0.05, 0, 0, 0])


def swapped(logits):
    return logits[:, [1, 0, 2, 3]]


def constant(logits):
    return np.zeros_like(logits)


@pytest.mark.parametrize("spoil", [biased, swapped, constant])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_other_numbers_are_found_and_told(precision, spoil):
    graph = lowered(network(), precision)
    if precision == "int8":
        assert 2 * graph.output.grid.scale < 0.05  # or the bias would pass for rounding
    unit = (
        r"at most \d+ steps .* allowed is 2" if precision == "int8" else r"within \d.*e.* allowed is 0.0002"
    )
    with pytest.raises(ParityError, match=f"the onnx file does not compute its graph: {unit}"):
        compare(graph, "onnx", Wrong(graph, spoil))


@pytest.mark.parametrize(("steps", "passes"), [(2, True), (3, False)])
def test_integer_files_may_be_two_steps_off(steps, passes):
    graph = lowered(network(), "int8")
    off = Wrong(graph, lambda logits: logits + np.float32(steps * graph.output.grid.scale))
    if passes:
        assert compare(graph, "litert", off).error == steps
    else:
        with pytest.raises(ParityError, match="at most 3 steps"):
            compare(graph, "litert", off)


def test_the_wide_limit_is_for_core_ml_in_float16_alone():
    graph = lowered(network(), "fp16")
    off = Wrong(graph, lambda logits: logits * np.float32(1.01))
    assert compare(graph, "coreml", off).limit == 0.05
    with pytest.raises(ParityError):
        compare(graph, "litert", off)
    with pytest.raises(ParityError):
        compare(graph, "coreml", Wrong(graph, swapped))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_logits_that_are_not_finite_are_counted(precision):
    def spoil(logits):
        logits[3, 1], logits[5, 0] = np.nan, np.inf
        return logits

    graph = lowered(network(), precision)
    with pytest.raises(ParityError, match="2 of the 256 logits that the onnx file gives are not finite"):
        compare(graph, "onnx", Wrong(graph, spoil))


def test_another_shape_is_told():
    graph = network()
    with pytest.raises(ParityError, match=r"shape \(64, 3\), its graph \(64, 4\)"):
        compare(graph, "onnx", Wrong(graph, lambda logits: logits[:, :3]))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_what_rounding_does_to_a_small_network_does_not_widen_its_limit(name, precision):
    graph = lowered(NETWORKS[name](), precision)
    widest = max(
        float(np.abs(run(graph, nudged(graph, images)) - run(graph, images)).max())
        for images in np.split(probes(graph), 2)
    )
    if precision == "int8":
        assert widest / graph.output.grid.scale <= 12
    else:
        assert widest / np.abs(run(graph, probes(graph))).max() < 2e-4


def test_probes_are_in_the_range_of_the_pixels_that_the_network_expects():
    assert 250 < probes(replace(network(), pixel_scale=1.0))[:32].max() <= 255


def test_probes_are_the_same_every_time_and_reach_far_beyond_images():
    graph = replace(network(), pixel_scale=1 / 255)
    images = probes(graph)
    np.testing.assert_array_equal(images, probes(graph))
    assert not np.array_equal(images, probes(graph, seed=1))
    assert (images.dtype, images.shape) == (np.float32, (64, 9, 9, 2))
    near, far = images[:32], images[32:]
    assert 0 <= near.min() < 0.01 < 0.99 < near.max() <= 1
    assert far.min() < -3.9
    assert far.max() > 4.9
