"""MLflow's own flavor onnx, with the settings that edgebuild's files need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mlflow.onnx
import mlflow.pyfunc
import numpy as np
import pytest
import yaml

from edgebuild.errors import DataError, UsageError
from edgebuild.mlflow import onnx, registry
from tests.mlflow.conftest import Written

Writer = Callable[..., Written]

pytestmark = pytest.mark.usefixtures("settled")


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "w4", "int8"])
def test_every_precision_gives_the_logits_of_formats(precision: str, written: Writer, tmp_path: Path) -> None:
    file = written("onnx", precision, True)
    onnx.save_model(file.path, tmp_path / "model")
    served = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(file.given)
    assert list(served) == ["logits"]
    assert np.array_equal(served["logits"], file.logits)


def test_the_saved_file_has_the_bytes_of_the_given_one(written: Writer, tmp_path: Path) -> None:
    file = written("onnx", "int8")
    onnx.save_model(file.path, tmp_path / "model")
    assert (tmp_path / "model/model.onnx").read_bytes() == file.path.read_bytes()
    assert onnx.load_model(str(tmp_path / "model")).graph.input[0].name == "image"


def test_integer_files_are_exact_on_every_processor_unless_told_otherwise(
    written: Writer, tmp_path: Path
) -> None:
    def options(precision: str, **settings: bool) -> dict[str, object]:
        folder = tmp_path / f"{precision}{settings}"
        onnx.save_model(written("onnx", precision).path, folder, **settings)  # type: ignore[arg-type]
        flavors = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]
        return dict(flavors["onnx"]["onnx_session_options"])

    threads = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
    exact = {"extra_session_config": {"session.x64quantprecision": "1"}}
    assert options("int8") == threads | exact
    assert options("int8", exact=False) == threads
    assert options("fp32") == threads


def test_a_file_for_one_image_says_so_in_its_signature(written: Writer, tmp_path: Path) -> None:
    for flexible, batch in ((False, 1), (True, -1)):
        folder = tmp_path / str(flexible)
        onnx.save_model(written("onnx", "fp32", flexible).path, folder, metadata={"variant": "a"})
        model = mlflow.pyfunc.load_model(str(folder))
        assert model.metadata.signature.inputs.inputs[0].shape == (batch, 2, 9, 9)
        assert model.metadata.signature.outputs.inputs[0].to_dict()["name"] == "logits"
        assert model.metadata.metadata == {"variant": "a", "labels": ["zero", "one", "two", "three"]}


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(DataError, match="bad.onnx is no ONNX file"):
        onnx.save_model(tmp_path / "bad.onnx", tmp_path / "model")


def test_every_flavor_is_found_by_the_name_of_its_format() -> None:
    for name in registry.FLAVORS:
        assert name == registry.open_flavor(name).FLAVOR
    with pytest.raises(UsageError, match="format 'keras' has no MLflow flavor; litert, onnx, coreml have"):
        registry.open_flavor("keras")
