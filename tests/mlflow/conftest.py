"""Files of every format, written without TensorFlow, and a store of MLflow's to log them in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns of its own type hints when it is imported
    import mlflow.onnx
    import mlflow.pyfunc

from edgebuild.formats.registry import open_format, open_writer
from edgebuild.variant import ENDINGS
from tests.networks import images, lowered, network

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Written:
    """A file, images (n, h, w, c), the same laid out as the file takes them, and the logits of `formats`."""

    format: str
    path: Path
    images: Floats
    given: Floats
    logits: Floats


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Written]:
    """``written(format, precision, flexible)``: each file is made once."""
    folder, made = tmp_path_factory.mktemp("files"), dict[tuple[str, str, bool], Written]()

    def write(format: str, precision: str = "fp32", flexible: bool = False) -> Written:
        key = (format, precision, flexible)
        if key not in made:
            graph = network()
            path = folder / f"pruned-{format}-{precision}-{flexible}.{ENDINGS[format]}"
            open_writer(format).write(lowered(graph, precision), path, flexible=flexible)
            pixels = images(graph, 5)
            given = pixels if format == "litert" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
            logits = open_format(format).load(path, threads=1).predict(pixels)
            made[key] = Written(format, path, pixels, given, logits)
        return made[key]

    return write


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent home, nothing is printed."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a new sqlite store; making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def store(empty_store: str, tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store with an experiment of its own, which is the active one."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(empty_store)
    experiment = mlflow.create_experiment(tmp_path.name, artifact_location=str(tmp_path / "artifacts"))
    mlflow.set_experiment(experiment_id=experiment)
    yield empty_store
    mlflow.set_tracking_uri(before)
