"""Flavor litert: what is saved, and what it computes when it is loaded."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import yaml

from edgebuild.errors import DataError, UsageError
from edgebuild.mlflow import coreml, litert
from edgebuild.mlflow.serving.litert import LiteRTModel
from tests.mlflow import foreign
from tests.mlflow.conftest import Written

Writer = Callable[..., Written]

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture
def saved(written: Writer, tmp_path: Path) -> Path:
    litert.save_model(written("litert", "int8").path, tmp_path / "model")
    return tmp_path / "model"


def mlmodel(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "MLmodel").read_text()))


def test_mlmodel_has_both_flavors_labels_and_the_signature_of_the_file(saved: Path) -> None:
    found = mlmodel(saved)
    assert set(found["flavors"]) == {"litert", "python_function"}
    assert found["metadata"] == {"labels": ["zero", "one", "two", "three"]}
    assert '"name": "image"' in found["signature"]["inputs"]
    assert '"dtype": "float32", "shape": [-1, 9, 9, 2]' in found["signature"]["inputs"].replace("\n", " ")
    assert found["model_size_bytes"] > 0


def test_requirements_are_pinned_and_light(saved: Path) -> None:
    lines = (saved / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in lines] == [
        "mlflow-skinny",
        "pandas",
        "numpy",
        "ai-edge-litert",
    ]
    assert all(line.partition("==")[2] for line in lines)


@pytest.mark.parametrize(
    ("precision", "flexible"), [("fp32", False), ("fp32", True), ("int8", False), ("int8", True)]
)
def test_pyfunc_and_native_give_the_logits_of_formats(
    precision: str, flexible: bool, written: Writer, tmp_path: Path
) -> None:
    file = written("litert", precision, flexible)
    litert.save_model(file.path, tmp_path / "model")
    served = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(file.given)
    native = litert.load_model(str(tmp_path / "model")).predict(file.given)
    assert np.array_equal(served, file.logits)
    assert np.array_equal(native, file.logits)


def test_a_data_frame_has_one_flat_image_per_row(saved: Path, written: Writer) -> None:
    file, model = written("litert", "int8"), mlflow.pyfunc.load_model(str(saved))
    frame = pd.DataFrame({"image": [image.reshape(-1).tolist() for image in file.given]})
    assert np.array_equal(model.predict(frame), file.logits)


def test_the_interpreters_details_are_at_hand(saved: Path) -> None:
    model = litert.load_model(str(saved))
    assert [details["name"] for details in model.input_details] == ["image"]
    assert [details["name"] for details in model.output_details] == ["logits"]


def test_batches_that_change_their_size_change_nothing(written: Writer) -> None:
    file = written("litert", "fp32", True)
    model = LiteRTModel(file.path)
    for count in (5, 1, 3, 5):
        assert np.array_equal(model.predict(file.given[:count]), file.logits[:count])


def test_calls_at_once_do_not_disturb_each_other(written: Writer) -> None:
    file = written("litert", "int8")
    model, together = LiteRTModel(file.path), threading.Barrier(4)

    def call(index: int) -> bool:
        together.wait()
        image, expected = file.given[index : index + 1], file.logits[index : index + 1]
        return all(np.array_equal(model.predict(image), expected) for _ in range(50))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(4)))
    assert len(model._idle) <= 4


def test_an_interpreter_that_failed_is_not_used_again(
    written: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written("litert")
    model = LiteRTModel(file.path)

    class Broken:
        def get_input_details(self) -> Any:
            raise RuntimeError("broken")

    model._idle[:] = [Broken()]  # type: ignore[list-item]
    with pytest.raises(RuntimeError, match="broken"):
        model.predict(file.given)
    assert np.array_equal(model.predict(file.given), file.logits)


def test_threads_are_saved_and_can_be_overridden_where_the_model_is_loaded(
    written: Writer, tmp_path: Path
) -> None:
    litert.save_model(written("litert").path, tmp_path / "model", threads=2)
    folder = str(tmp_path / "model")
    loaded = mlflow.pyfunc.load_model(folder)
    assert litert.load_model(folder)._threads == 2
    overridden = mlflow.pyfunc.load_model(folder, model_config={"threads": 1})
    assert (loaded._model_impl._threads, overridden._model_impl._threads) == (2, 1)


def test_two_models_of_different_code_live_in_one_process(
    saved: Path, written: Writer, tmp_path: Path
) -> None:
    """As after an update of edgebuild: each model runs the code that it was saved with."""
    file, other = written("litert", "int8"), tmp_path / "other"
    litert.save_model(file.path, other)
    text = (other / "MLmodel").read_text()
    name = mlmodel(other)["flavors"]["python_function"]["loader_module"].partition(".")[0]
    (other / "code" / name).rename(other / "code/edgebuild_other")
    for path in (other / "code").rglob("*.py"):
        path.write_text(path.read_text().replace(name, "edgebuild_other"))
    (other / "MLmodel").write_text(text.replace(name, "edgebuild_other"))
    first, second = (mlflow.pyfunc.load_model(str(folder)) for folder in (saved, other))
    assert type(first._model_impl) is not type(second._model_impl)
    assert np.array_equal(first.predict(file.given), second.predict(file.given))
    assert "edgebuild" not in type(first._model_impl).__module__.split(".")
    assert type(first._model_impl).__module__ in sys.modules


def test_metadata_and_examples_are_kept(written: Writer, tmp_path: Path) -> None:
    file = written("litert", "int8")
    litert.save_model(file.path, tmp_path / "model", metadata={"variant": "a"}, input_example=file.given[:1])
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert model.metadata.metadata == {"variant": "a", "labels": ["zero", "one", "two", "three"]}
    assert np.array_equal(model.predict(model.input_example), file.logits[:1])


def test_what_is_no_tflite_file_is_refused(tmp_path: Path, written: Writer) -> None:
    (tmp_path / "bad.tflite").write_bytes(b"nothing")
    for file, error, message in (
        (tmp_path / "gone.tflite", DataError, "gone.tflite does not exist; run dvc repro"),
        (tmp_path / "bad.tflite", DataError, "LiteRT refuses bad.tflite"),
        (written("onnx").path, UsageError, "takes .tflite files, found pruned-onnx"),
    ):
        with pytest.raises(error, match=message):
            litert.save_model(file, tmp_path / "model")
    with pytest.raises(UsageError, match="threads must be one or more, found 0"):
        litert.save_model(written("litert").path, tmp_path / "model", threads=0)
    assert not (tmp_path / "model").exists()


def test_another_flavors_model_is_refused(saved: Path) -> None:
    with pytest.raises(UsageError, match="must have the flavor coreml, found litert, python_function"):
        coreml.load_model(str(saved))


def test_an_image_of_another_shape_is_refused_with_the_shape_that_fits(saved: Path) -> None:
    with pytest.raises(UsageError, match=r"image float32 \(n, 9, 9, 2\), found float64 \(1, 9, 9, 1\)"):
        litert.load_model(str(saved)).predict(np.zeros((1, 9, 9, 1)))


def test_files_of_other_converters_keep_their_names_and_their_integer_codes(tmp_path: Path) -> None:
    foreign.write(tmp_path / "added.tflite")
    litert.save_model(tmp_path / "added.tflite", tmp_path / "model")
    found = mlmodel(tmp_path / "model")
    codes = {"dtype": "int8", "shape": [-1, 3], "scale": 0.5, "zero_point": 0}
    assert found["flavors"]["litert"]["inputs"] == [{"name": "a"} | codes, {"name": "b"} | codes]
    assert not found.get("metadata")
    given = {"a": np.array([[1, 2, 3], [4, 5, 6]], np.int8), "b": np.array([[3, 2, 1], [0, 0, 0]], np.int8)}
    expected = {"sum": given["a"] + given["b"], "double": 2 * given["a"]}
    for model in (
        mlflow.pyfunc.load_model(str(tmp_path / "model")),
        litert.load_model(str(tmp_path / "model")),
    ):
        answer = model.predict(given)
        assert list(answer) == ["sum", "double"]
        assert all(np.array_equal(answer[name], expected[name]) for name in expected)
        assert answer["sum"].dtype == np.int8


def test_without_a_signature_tensors_are_called_as_in_the_file(tmp_path: Path) -> None:
    foreign.write(tmp_path / "added.tflite", signature=False)
    model = LiteRTModel(tmp_path / "added.tflite")
    assert [tensor.name for tensor in model.inputs] == ["serving_default_a:0", "serving_default_b:0"]
