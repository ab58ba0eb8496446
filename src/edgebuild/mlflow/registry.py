"""Which flavor a file of which format is logged with."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from edgebuild.errors import UsageError

__all__ = ["FLAVORS", "Flavor", "open_flavor"]

#: Formats that have a flavor here. Keras files have MLflow's own, which needs TensorFlow.
FLAVORS = ("litert", "onnx", "coreml")


class Flavor(Protocol):
    """What every module of a flavor offers, as far as the flavors agree."""

    FLAVOR: str

    def save_model(
        self,
        file: str | Path,
        path: str | Path,
        *,
        input_example: Any = None,
        metadata: Mapping[str, Any] | None = None,
        mlflow_model: Any = None,
    ) -> None:
        """Save ``file`` as the MLflow model folder ``path``."""

    def log_model(self, file: str | Path, name: str, **options: Any) -> Any:
        """Log ``file`` as the LoggedModel ``name``; returns MLflow's ModelInfo."""

    def load_model(self, model_uri: str) -> Any:
        """The model as the flavor's own runtime has it."""


def open_flavor(format: str) -> Flavor:
    """The module for files of ``format``; importing one imports mlflow (seconds).

    Raises:
        UsageError: there is no flavor for it.
    """
    if format not in FLAVORS:
        raise UsageError(f"format {format!r} has no MLflow flavor; {', '.join(FLAVORS)} have")
    return cast(Flavor, importlib.import_module(f"edgebuild.mlflow.{format}"))
