"""MLflow flavor ``coreml``: .mlpackage folders with an ML Program. Served on macOS by Core ML, elsewhere evaluated.

    from edgebuild.mlflow import coreml

    coreml.log_model("models/pruned-coreml-fp16.mlpackage", "pruned-coreml-fp16")
    model = coreml.load_model("models:/digits@champion")       # or mlflow.pyfunc.load_model
    logits = model.predict(planes)                             # float32 (n, c, h, w) to (n, classes)
    print(model.runtime)                                       # what computed them

Off macOS the evaluator, which travels with the model, computes what the saved program
says; loading says so too. Its requirements are coremltools, for the file format alone:
of its modules only the protobuf classes are imported.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo

from edgebuild import mil
from edgebuild.mlflow import saving
from edgebuild.mlflow.serving.coreml import APPLE, EVALUATOR, CoreMLModel

__all__ = ["FLAVOR", "load_model", "log_model", "save_model"]

FLAVOR = "coreml"

#: The format's protobuf classes, and on macOS the way to Apple's runtime.
_PACKAGES = ("coremltools", "protobuf")
#: User-defined metadata of a package: the class names as a JSON list, as edgebuild writes it.
_LABELS = "classes"


def save_model(
    file: str | Path,
    path: str | Path,
    *,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    metadata: Mapping[str, Any] | None = None,
    pip_requirements: Sequence[str] | None = None,
    mlflow_model: Model | None = None,
) -> None:
    """Save the .mlpackage ``file`` as the MLflow model folder ``path``.

    Args:
        file: any package whose program is one straight line of operations that the evaluator knows.
        path: a folder that does not exist yet, or is empty.
        signature: None takes it from the file; where axis 0 is 1 everywhere, any number of samples is taken.
        input_example: an array, or arrays by name.
        metadata: is kept in MLmodel, with the class names that the file holds under "labels".
        pip_requirements: None pins coremltools, protobuf, numpy, pandas and mlflow-skinny as they are installed here.
        mlflow_model: to which the flavors are added.

    Raises:
        DataError: there is no such package, or it is damaged.
        GraphError: it holds what the evaluator does not know.
        UsageError: not an .mlpackage.
    """
    source = saving.present(file, ".mlpackage")
    model = CoreMLModel(source)
    program = mil.read(source)
    saving.save(
        path,
        flavor=FLAVOR,
        file=source,
        runtime=CoreMLModel.__module__,
        packages=_PACKAGES,
        inputs=model.inputs,
        outputs=model.outputs,
        facts={
            "specification_version": program.specification,
            "runtime": {"darwin": APPLE, "elsewhere": EVALUATOR},
        },
        labels=saving.listed(program.metadata.get(_LABELS)),
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


def load_model(model_uri: str) -> CoreMLModel:
    """The model at ``model_uri``: on macOS in Core ML, elsewhere in the evaluator.

    Raises:
        UsageError: the model has no flavor coreml.
    """
    folder = Path(download_artifacts(artifact_uri=model_uri))
    return CoreMLModel(folder / saving.configuration(folder, FLAVOR)["data"])
