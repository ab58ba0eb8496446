"""Published variants as models of MLflow: loadable with nothing but their URI, and stored once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from edgebuild.formats.registry import open_format
from edgebuild.track import store
from edgebuild.track.sync import track
from edgebuild.variant import ENDINGS
from tests.networks import images, network
from tests.track.files import FORMATS, build_files
from tests.track.test_publish import models


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A repository whose build is published."""
    folder = tmp_path_factory.mktemp("packaging")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    build_files(folder)
    assert track(folder, store.tracking_uri(folder, {}), "p").complete
    return folder


@pytest.fixture
def uris(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """Variant → URI of its model, in a process whose MLflow uses that store."""
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store.tracking_uri(root, {}))
    yield {name: f"models:/{model.model_id}" for name, model in models(root).items()}
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("name", FORMATS)
def test_a_published_variant_loads_with_its_uri_and_answers_as_its_file(
    name: str, root: Path, uris: Mapping[str, str]
) -> None:
    pixels = images(network(seed=3), 1)
    expected = (
        open_format(name).load(root / f"models/pruned-{name}-int8.{ENDINGS[name]}", threads=1).predict(pixels)
    )
    given = pixels if name == "litert" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    answer = mlflow.pyfunc.load_model(uris[f"pruned-{name}-int8"]).predict(given)
    np.testing.assert_array_equal(
        next(iter(answer.values())) if isinstance(answer, dict) else answer, expected
    )


def test_mlmodel_says_which_variant_it_is(root: Path, uris: Mapping[str, str]) -> None:
    info = mlflow.models.get_model_info(uris["pruned-litert-int8"])
    assert info.metadata["id"] == "pruned-litert-int8"
    assert {"litert", "python_function"} <= info.flavors.keys()
    assert info.signature.inputs.inputs[0].name == "image"


def test_files_that_the_store_has_are_not_uploaded_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads: list[str] = []
    original = mlflow.MlflowClient.log_model_artifacts

    def counted(self: Any, model_id: str, *arguments: Any, **options: Any) -> Any:
        uploads.append(model_id)
        return original(self, model_id, *arguments, **options)

    monkeypatch.setattr(mlflow.MlflowClient, "log_model_artifacts", counted)
    (root / "metrics/data.json").write_text("{}")
    lock = root / "dvc.lock"
    lock.write_text(lock.read_text().replace("keep: 0.5", "keep: 0.25"))
    (root / "params.yaml").write_text("prune: {keep: 0.25}\n")
    done = track(root, store.tracking_uri(root, {}), "p")
    assert done.build.created  # another build of the same files
    assert uploads == []
    assert len(models(root)) == len(FORMATS)
