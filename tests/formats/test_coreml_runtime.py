"""On macOS files run in Apple's runtime. It does not exist here; what calls it is tested with a double.

The double refuses what Apple's runtime refuses (another input name, type or
shape) and computes by evaluating the package, off by a number that the tests
choose, so that it can be told apart from the evaluator. It says nothing about
Apple's own arithmetic.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from edgebuild.errors import DataError, UsageError
from edgebuild.formats import coreml, coreml_session
from edgebuild.graph.ir import Graph
from edgebuild.measure.parity import probes
from tests.networks import NETWORKS, images, lowered, network


class MLModelDouble:
    """Stands for ``coremltools.models.MLModel`` on macOS."""

    off_by: ClassVar[float] = 0.0
    units: ClassVar[list[str]] = []

    def __init__(self, path: str, *, compute_units: str) -> None:
        if not Path(path).is_dir():
            raise OSError(f"unable to load {path}")
        self.session = coreml.evaluate(Path(path))
        self.units.append(compute_units)

    def predict(self, features: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        if list(features) != ["image"]:
            raise RuntimeError(f"required input feature is image, found {list(features)}")
        image = features["image"]
        if image.shape != (1, 2, 9, 9) or image.dtype != np.float32 or not image.flags["C_CONTIGUOUS"]:
            raise RuntimeError(f"MultiArray of shape {image.shape} and type {image.dtype} does not fit")
        logits = self.session.predict(image.transpose(0, 2, 3, 1))
        return {"logits": logits + np.float32(self.off_by)}


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> type[MLModelDouble]:
    """This machine as if it were a Mac, with the double for a runtime."""
    vendor = SimpleNamespace(
        models=SimpleNamespace(MLModel=MLModelDouble), ComputeUnit=SimpleNamespace(CPU_ONLY="cpu")
    )
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(coreml_session, "open_coremltools", lambda: vendor)
    monkeypatch.setattr(MLModelDouble, "off_by", 0.0)
    monkeypatch.setattr(MLModelDouble, "units", [])
    return MLModelDouble


@pytest.fixture(scope="module")
def graph() -> Graph:
    return network()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, graph: Graph) -> Path:
    path = tmp_path_factory.mktemp("runtime") / "model.mlpackage"
    coreml.write(graph, path)
    return path


def test_on_a_mac_the_file_is_loaded_by_apples_runtime_on_the_processor(
    mac: type[MLModelDouble], graph: Graph, package: Path
) -> None:
    mac.off_by = 8.0
    x = images(graph, 3)
    found = coreml.load(package, threads=1).predict(x)
    assert mac.units == ["cpu"]
    np.testing.assert_allclose(found, coreml.evaluate(package).predict(x) + 8, rtol=1e-5)


def test_one_inference_is_bound_for_timing(mac: type[MLModelDouble], graph: Graph, package: Path) -> None:
    x = images(graph, 1)
    call = coreml.load(package, threads=1).bind(x)
    assert np.array_equal(np.asarray(call()), coreml.load(package, threads=1).predict(x))


def test_both_runtimes_are_compared_on_the_same_images(
    mac: type[MLModelDouble], graph: Graph, package: Path
) -> None:
    mac.off_by = 0.25
    compared = coreml.compare_runtimes(package, images(graph, 5))
    assert compared.apple.shape == compared.evaluated.shape == (5, 4)
    assert compared.largest == pytest.approx(0.25, abs=1e-5)
    assert compared.same_labels == 1.0


def test_comparing_off_a_mac_says_what_is_missing(graph: Graph, package: Path) -> None:
    with pytest.raises(UsageError, match=r"comparing runtimes needs both: Core ML.*only on macOS"):
        coreml.compare_runtimes(package, images(graph, 1))


def test_a_file_that_apples_runtime_refuses_is_a_data_error(mac: type[MLModelDouble], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.mlpackage: Core ML cannot load it"):
        coreml.load(tmp_path / "nothing.mlpackage", threads=1)


def test_a_package_is_described_with_what_no_probe_has_reached(tmp_path):
    graph = lowered(NETWORKS["flat"](), "w8")
    coreml.write(graph, tmp_path / "m.mlpackage")
    told = coreml.describe(tmp_path / "m.mlpackage", probes(graph))
    assert "4 of 4 weights compressed" in told
    assert "relu6 'depth': nothing above 6" in told
