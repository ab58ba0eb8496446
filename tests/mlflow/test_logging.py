"""Flavors in a store of MLflow's: LoggedModels, versions, aliases."""

from __future__ import annotations

from collections.abc import Callable

import mlflow
import numpy as np
import pytest

from edgebuild.mlflow import coreml, litert, onnx
from edgebuild.mlflow.registry import Flavor
from tests.mlflow.conftest import Written

Writer = Callable[..., Written]

#: What MLflow and SQLAlchemy deprecate in each other.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.mark.parametrize("flavor", [litert, coreml, onnx])
def test_a_logged_model_is_registered_found_by_its_alias_and_computes(
    flavor: Flavor, written: Writer, store: str
) -> None:
    file = written(flavor.FLAVOR, "int8", True)
    with mlflow.start_run() as run:
        info = flavor.log_model(
            file.path,
            "pruned",
            registered_model_name=f"digits-{flavor.FLAVOR}",
            params={"precision": "int8"},
            tags={"stage": "export"},
            model_type="classifier",
            metadata={"variant": "pruned"},
            input_example=file.given[:2],
        )
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(f"digits-{flavor.FLAVOR}", "champion", info.registered_model_version)
    uri = f"models:/digits-{flavor.FLAVOR}@champion"
    served = mlflow.pyfunc.load_model(uri).predict(file.given)
    assert np.array_equal(served["logits"] if flavor is onnx else served, file.logits)
    described = mlflow.models.get_model_info(uri)
    assert flavor.FLAVOR in described.flavors
    assert described.metadata["variant"] == "pruned"
    assert described.signature.inputs.inputs[0].shape[0] == -1
    logged = mlflow.get_logged_model(info.model_id)
    assert (logged.name, logged.model_type, logged.source_run_id) == ("pruned", "classifier", run.info.run_id)
    assert logged.params["precision"] == "int8"
    assert logged.tags["stage"] == "export"


def test_a_logged_model_that_waits_for_its_files_gets_them(written: Writer, store: str) -> None:
    file = written("litert", "int8")
    waiting = mlflow.initialize_logged_model(name="pruned-litert-int8")
    info = litert.log_model(file.path, "pruned-litert-int8", model_id=waiting.model_id)
    assert info.model_id == waiting.model_id
    model = litert.load_model(f"models:/{waiting.model_id}")
    assert np.array_equal(model.predict(file.given), file.logits)


def test_an_option_that_no_flavor_knows_is_refused(written: Writer, store: str) -> None:
    with pytest.raises(TypeError, match="thread"):
        litert.log_model(written("litert").path, "pruned", thread=2)
