"""A variant's file as an MLflow model folder: what ``mlflow.pyfunc.load_model`` and ``mlflow models serve`` read.

TFLite, ONNX and Core ML files go through the flavors of :mod:`edgebuild.mlflow`. A Keras
file is laid out as MLflow's own flavor ``keras`` does (mlflow/keras/save.py), without
loading it: that would import TensorFlow into the delivery for nothing but writing the
same file again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgebuild.errors import EdgebuildError

__all__ = ["package"]


def package(root: Path, variant: Mapping[str, Any], folder: Path, model: Any) -> str | None:
    """Make ``folder``, the model folder of ``variant``, whose file lies in the repository ``root``.

    ``model`` is the LoggedModel that it is for. Returns None, or why the folder holds the bare
    file, which MLflow stores and shows but cannot load.
    """
    from mlflow.models import Model

    source = root / variant["path"]
    described = Model(
        artifact_path=model.artifact_location, model_uuid=model.model_id, model_id=model.model_id
    )
    described.metadata = {name: variant[name] for name in ("id", "precision", "sha256") if name in variant}
    try:
        if variant["format"] == "keras":
            _keras(source, folder, described)
        else:
            from edgebuild.mlflow.registry import open_flavor

            flavor = open_flavor(variant["format"])
            with _native_stderr_unseen():
                flavor.save_model(source, folder, mlflow_model=described)
    except EdgebuildError as error:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, folder / source.name)
        return str(error)
    return None


def _keras(source: Path, folder: Path, model: Any) -> None:
    from mlflow.pyfunc import FLAVOR_NAME

    (folder / "data").mkdir(parents=True)
    shutil.copyfile(source, folder / "data" / "model.keras")
    (folder / "data" / "keras_module.txt").write_text("keras")
    needed = [
        f"{name}=={installed}"
        for name in ("mlflow", "keras", "tensorflow")
        if (installed := _installed(name))
    ]
    (folder / "requirements.txt").write_text("\n".join(needed))
    model.signature = _signature(source)
    model.add_flavor(
        "keras",
        data="data",
        keras_version=_installed("keras"),
        keras_backend="tensorflow",
        save_exported_model=False,
    )
    model.add_flavor(FLAVOR_NAME, loader_module="mlflow.keras", env={"virtualenv": "python_env.yaml"})
    _environment().to_yaml(str(folder / "python_env.yaml"))
    model.save(str(folder / "MLmodel"))


@contextmanager
def _native_stderr_unseen() -> Iterator[None]:
    """Keep LiteRT's greeting, which it writes to the descriptor, off the console of `edgebuild track`."""
    sys.stderr.flush()
    kept, unseen = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(unseen, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(unseen)


def _environment() -> Any:
    """This Python, with what requirements.txt names."""
    from mlflow.utils.environment import _PythonEnv

    current: Any = _PythonEnv.current
    return current()


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _signature(source: Path) -> Any:
    """Any number of images in, float32, from the input layer that the file's config.json names; None where none is."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    shape = _input_shape(source)
    if shape is None:
        return None
    return ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, *shape[1:]))]))


def _input_shape(source: Path) -> Sequence[int] | None:
    try:
        with zipfile.ZipFile(source) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
    except (zipfile.BadZipFile, KeyError, ValueError):
        return None
    shapes = [layer["config"].get("batch_shape") for layer in layers if layer["class_name"] == "InputLayer"]
    return shapes[0] if len(shapes) == 1 else None
