"""MLflow flavor ``litert``: .tflite files. Saved models are served without TensorFlow and without edgebuild.

    from edgebuild.mlflow import litert

    litert.log_model("models/pruned-litert-int8.tflite", "pruned-litert-int8")
    model = litert.load_model("models:/digits@champion")       # or mlflow.pyfunc.load_model
    logits = model.predict(images)                             # float32 (n, h, w, c) to (n, classes)

``mlflow models serve -m models:/digits@champion`` answers with the same numbers. The
requirements are LiteRT's own runtime and the small part of MLflow.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo

from edgebuild.mlflow import saving
from edgebuild.mlflow.serving.litert import LiteRTModel

__all__ = ["FLAVOR", "load_model", "log_model", "save_model"]

FLAVOR = "litert"

_RUNTIME = "ai-edge-litert"
#: Where TensorFlow Lite's metadata keeps class names: a zip archive at the end of the file.
_LABELS = "labels.txt"


def save_model(
    file: str | Path,
    path: str | Path,
    *,
    threads: int = 1,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    metadata: Mapping[str, Any] | None = None,
    pip_requirements: Sequence[str] | None = None,
    mlflow_model: Model | None = None,
) -> None:
    """Save the .tflite file ``file`` as the MLflow model folder ``path``.

    Args:
        file: any .tflite file whose inputs and outputs are numbers or truth values.
        path: a folder that does not exist yet, or is empty.
        threads: per call, unless whoever loads the model overrides it (``model_config={"threads": 2}``).
        signature: None takes it from the file; where axis 0 is 1 everywhere, any number of samples is taken.
        input_example: an array, or arrays by name.
        metadata: is kept in MLmodel, with the class names that the file holds under "labels".
        pip_requirements: None pins LiteRT, numpy, pandas and mlflow-skinny as they are installed here.
        mlflow_model: to which the flavors are added.

    Raises:
        DataError: there is no such file, or LiteRT refuses it.
        GraphError: a tensor holds neither numbers nor truth values.
        UsageError: not a .tflite file, or no thread.
    """
    source = saving.present(file, ".tflite")
    model = LiteRTModel(source, threads)
    saving.save(
        path,
        flavor=FLAVOR,
        file=source,
        runtime=LiteRTModel.__module__,
        packages=(_RUNTIME,),
        inputs=model.inputs,
        outputs=model.outputs,
        facts={
            "sha256": sha256(source.read_bytes()).hexdigest(),
            "runtime": saving.pinned(_RUNTIME)[0],
        },
        labels=_labels(source),
        model_config={"threads": threads},
        own_signature=signature,
        input_example=input_example,
        metadata=metadata,
        pip_requirements=pip_requirements,
        mlflow_model=mlflow_model,
    )


def log_model(file: str | Path, name: str, **options: Any) -> ModelInfo:
    """Log ``file`` as the LoggedModel ``name``, in the active run where there is one.

    ``options`` are those of :func:`save_model` and of :meth:`mlflow.models.Model.log`:
    ``registered_model_name``, ``params``, ``tags``, ``model_type``, ``step``, ``model_id`` (of a
    LoggedModel that waits for its files), ``run_id``.
    """
    return saving.log(sys.modules[__name__], name, file, options)


def load_model(model_uri: str, *, threads: int | None = None) -> LiteRTModel:
    """The model at ``model_uri`` in LiteRT's interpreter; ``threads`` None takes what it was saved with.

    Raises:
        UsageError: the model has no flavor litert.
    """
    folder = Path(download_artifacts(artifact_uri=model_uri))
    entry = saving.configuration(folder, FLAVOR)
    if threads is None:
        threads = saving.configuration(folder, "python_function")["config"]["threads"]
    return LiteRTModel(folder / entry["data"], threads)


def _labels(file: Path) -> list[str] | None:
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        if _LABELS not in archive.namelist():
            return None
        return archive.read(_LABELS).decode("utf-8").splitlines()
