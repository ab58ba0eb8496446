"""Flavor coreml: evaluated here, on Apple's runtime where there is one."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
import yaml

from edgebuild.errors import DataError, UsageError
from edgebuild.mlflow import coreml
from edgebuild.mlflow.serving import coreml as runtime
from edgebuild.mlflow.serving.coreml import CoreMLModel
from tests.mlflow.conftest import Written

Writer = Callable[..., Written]

pytestmark = pytest.mark.usefixtures("settled")


@pytest.mark.parametrize(("precision", "flexible"), [("fp32", False), ("fp16", False), ("int8", True)])
def test_pyfunc_and_native_give_the_logits_of_formats(
    precision: str, flexible: bool, written: Writer, tmp_path: Path
) -> None:
    file = written("coreml", precision, flexible)
    coreml.save_model(file.path, tmp_path / "model")
    served = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(file.given)
    native = coreml.load_model(str(tmp_path / "model")).predict(file.given)
    assert np.array_equal(served, file.logits)
    assert np.array_equal(native, file.logits)
    assert served.dtype == np.float32


def test_mlmodel_says_what_computes_where(written: Writer, tmp_path: Path) -> None:
    coreml.save_model(written("coreml", "int8").path, tmp_path / "model", metadata={"variant": "a"})
    found = yaml.safe_load((tmp_path / "model/MLmodel").read_text())
    assert found["flavors"]["coreml"]["runtime"] == {
        "darwin": "Core ML",
        "elsewhere": "evaluator of the saved program in numpy",
    }
    assert found["flavors"]["coreml"]["specification_version"] == 8
    assert found["metadata"] == {"labels": ["zero", "one", "two", "three"], "variant": "a"}
    lines = (tmp_path / "model/requirements.txt").read_text().split()
    packages = [line.partition("==")[0] for line in lines]
    assert packages == ["mlflow-skinny", "pandas", "numpy", "coremltools", "protobuf"]


def test_loading_says_that_predictions_are_the_evaluators(
    written: Writer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coreml.save_model(written("coreml").path, tmp_path / "model")
    with caplog.at_level(logging.WARNING):
        mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert "Core ML's runtime exists only on macOS" in caplog.text
    assert "come from the evaluator" in caplog.text
    assert coreml.load_model(str(tmp_path / "model")).runtime == runtime.EVALUATOR


def test_calls_at_once_do_not_disturb_each_other(written: Writer) -> None:
    file = written("coreml", "int8")
    model, together = CoreMLModel(file.path), threading.Barrier(4)

    def call(index: int) -> bool:
        together.wait()
        image, expected = file.given[index : index + 1], file.logits[index : index + 1]
        return all(np.array_equal(model.predict(image), expected) for _ in range(10))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(4)))


def test_on_a_mac_apples_runtime_is_given_one_sample_at_a_time(
    written: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a double that computes by evaluating; it says nothing of Apple's arithmetic."""
    file, shapes, busy = written("coreml"), list[tuple[int, ...]](), threading.Lock()

    class Double:
        def __init__(self, path: str, *, compute_units: str) -> None:
            self.evaluated = runtime._evaluator(runtime.mil.read(Path(path)).main)

        def predict(self, features: dict[str, Any]) -> dict[str, Any]:
            assert busy.acquire(blocking=False), "two calls at once"
            shapes.append(features["image"].shape)
            result = dict(self.evaluated(features))
            busy.release()
            return result

    vendor = SimpleNamespace(
        models=SimpleNamespace(MLModel=Double), ComputeUnit=SimpleNamespace(CPU_ONLY="cpu")
    )
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(runtime, "open_coremltools", lambda: vendor)
    model = CoreMLModel(file.path)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(model.predict, [file.given] * 2))
    assert all(np.allclose(result, file.logits, atol=1e-6) for result in results)
    assert set(shapes) == {(1, 2, 9, 9)}
    assert (model.runtime, model.notice) == (runtime.APPLE, None)


def test_what_is_no_package_is_refused(tmp_path: Path, written: Writer) -> None:
    (tmp_path / "bad.mlpackage").mkdir()
    with pytest.raises(DataError, match="must be a Core ML package"):
        coreml.save_model(tmp_path / "bad.mlpackage", tmp_path / "model")
    with pytest.raises(UsageError, match="takes .mlpackage files"):
        coreml.save_model(written("litert").path, tmp_path / "model")


def test_a_list_of_classes_that_is_not_ours_is_left_alone() -> None:
    from edgebuild.mlflow.saving import listed

    assert listed('["cat", "dog"]') == ["cat", "dog"]
    assert [listed(text) for text in (None, "cat,dog", '{"0": "cat"}', "[0, 1]")] == [None] * 4
