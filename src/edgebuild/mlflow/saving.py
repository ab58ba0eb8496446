"""What the flavors share: a folder with the file, MLmodel, code and requirements; a LoggedModel made from it."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow.pyfunc
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types.schema import Schema, TensorSpec

from edgebuild.errors import DataError, UsageError
from edgebuild.mlflow.portable import carry
from edgebuild.mlflow.serving.tensors import Tensor

__all__ = ["SERVER", "configuration", "listed", "log", "pinned", "present", "save", "signature"]

#: What MLflow itself needs to load and serve a pyfunc model: without scikit-learn, scipy, pyarrow
#: and matplotlib, which the distribution called mlflow brings.
SERVER = ("mlflow-skinny", "pandas", "numpy")


def present(file: str | Path, ending: str) -> Path:
    """The path of ``file``.

    Raises:
        DataError: nothing is there.
        UsageError: it does not end in ``ending``.
    """
    path = Path(file).resolve()
    if path.suffix != ending:
        raise UsageError(f"this flavor takes {ending} files, found {path.name}")
    if not path.exists():
        raise DataError(f"{path} does not exist; run dvc repro, or dvc pull")
    return path


def save(
    path: str | Path,
    *,
    flavor: str,
    file: Path,
    runtime: str,
    packages: Sequence[str],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    facts: Mapping[str, Any],
    labels: Sequence[str] | None,
    model_config: Mapping[str, Any] | None = None,
    own_signature: ModelSignature | None = None,
    input_example: Any = None,
    metadata: Mapping[str, Any] | None = None,
    pip_requirements: Sequence[str] | None = None,
    mlflow_model: Model | None = None,
) -> None:
    """Write the model folder ``path``: flavors ``flavor`` and python_function on ``file``.

    Args:
        runtime: the module whose ``_load_pyfunc`` loads the file; it is copied with its imports.
        packages: distributions that it needs; they are pinned to the versions installed here.
        inputs, outputs: for the signature, unless there is ``own_signature``.
        facts: entries of the flavor's configuration besides data, inputs and outputs.
        labels: class names, for the metadata; None where the file has none.
    """
    model = Model() if mlflow_model is None else mlflow_model
    described = dict(model.metadata or {}) | ({} if labels is None else {"labels": list(labels)})
    model.add_flavor(
        flavor,
        data=f"data/{file.name}",
        inputs=[_entry(tensor) for tensor in inputs],
        outputs=[_entry(tensor) for tensor in outputs],
        **facts,
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Asks for an example to take the signature from; the file itself has said what it takes.
        warnings.filterwarnings("ignore", message=".*An input example was not provided", category=UserWarning)
        loader = carry(runtime, Path(folder))
        mlflow.pyfunc.save_model(
            str(path),
            loader_module=loader,
            data_path=str(file),
            code_paths=[str(item) for item in Path(folder).iterdir()],
            mlflow_model=model,
            signature=own_signature or signature(inputs, outputs),
            input_example=input_example,
            metadata=(described | dict(metadata or {})) or None,
            model_config=None if model_config is None else dict(model_config),
            pip_requirements=list(pip_requirements or pinned(*SERVER, *packages)),
        )


def log(flavor: ModuleType, name: str, file: str | Path, options: Mapping[str, Any]) -> ModelInfo:
    """Log ``file`` with ``flavor`` as the LoggedModel ``name``, in the active run where there is one."""
    short = flavor.__name__.rpartition(".")[2]
    logged: ModelInfo = Model.log(None, flavor, name=name, flavor_name=short, file=file, **options)
    return logged


def configuration(folder: Path, flavor: str) -> Mapping[str, Any]:
    """The entry of ``flavor`` in the MLmodel of a downloaded model.

    Raises:
        UsageError: the model has other flavors only.
    """
    flavors = Model.load(str(folder)).flavors
    if flavor not in flavors:
        raise UsageError(f"the model must have the flavor {flavor}, found {', '.join(sorted(flavors))}")
    entry: Mapping[str, Any] = flavors[flavor]
    return entry


def signature(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], *, by_name: bool = False
) -> ModelSignature:
    """Inputs by name; outputs by name if there are several, as ``predict`` returns them, or ``by_name``."""
    named = by_name or len(outputs) > 1
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(item.dtype), item.shape, item.name) for item in inputs]),
        outputs=Schema(
            [TensorSpec(np.dtype(item.dtype), item.shape, item.name if named else None) for item in outputs]
        ),
    )


def listed(text: str | None) -> list[str] | None:
    """The class names in a file's metadata, a JSON list; None where there is no such list."""
    try:
        names = json.loads(text or "null")
    except ValueError:
        return None  # somebody else's entry of that name
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def pinned(*packages: str) -> list[str]:
    """``package==version``, as they are installed here."""
    return [f"{package}=={version(package)}" for package in packages]


def _entry(tensor: Tensor) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}
    if tensor.grid is not None:
        entry |= {"scale": tensor.grid[0], "zero_point": tensor.grid[1]}
    return entry
