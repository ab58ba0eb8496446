"""MLflow's own flavor ``onnx`` for .onnx files, with the settings that their answers need.

    from edgebuild.mlflow import onnx

    onnx.log_model("models/pruned-onnx-int8.onnx", "pruned-onnx-int8")
    model = mlflow.pyfunc.load_model("models:/digits@champion")
    logits = model.predict({"image": planes})["logits"]        # float32 (n, c, h, w) to (n, classes)

What is saved is a model of MLflow's, and nothing of edgebuild's is needed to load it. The
wrapper adds what ``mlflow.onnx.log_model`` is not told by the file: a signature, the class
names, light requirements, the processor as provider, and for integer files exact sums on
x86 processors without VNNI (docs/adr/0002-onnx-integers.md).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo

from edgebuild.errors import DataError
from edgebuild.mlflow import saving
from edgebuild.mlflow.serving.tensors import OPEN, Tensor

__all__ = ["FLAVOR", "load_model", "log_model", "save_model"]

FLAVOR = "onnx"

_PACKAGES = ("onnx", "onnxruntime")
#: Metadata of a file: the class names as a JSON list, as edgebuild writes it.
_LABELS = "edgebuild.labels"
#: x86 without VNNI adds two products of uint8 and int8 in 16 bits, which overflow, unless this is set.
_EXACT = {"session.x64quantprecision": "1"}


def save_model(
    file: str | Path,
    path: str | Path,
    *,
    threads: int = 1,
    exact: bool = True,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    metadata: Mapping[str, Any] | None = None,
    pip_requirements: Sequence[str] | None = None,
    mlflow_model: Model | None = None,
) -> None:
    """Save the .onnx file ``file`` as the MLflow model folder ``path``.

    MLflow's flavor gives the file what it is given: a file for one image takes one image per
    call. ``export.batch: flexible`` writes files that take any number.

    Args:
        file: one file, constants inside.
        path: a folder that does not exist yet, or is empty.
        threads: per call.
        exact: integer files give the same answers on every processor, which takes up to twice the
            time where there is VNNI. False is for servers that are known to have it.
        signature: None takes it from the file.
        input_example: arrays by name, or an array for the only input.
        metadata: is kept in MLmodel, with the class names that the file holds under "labels".
        pip_requirements: None pins onnx, onnxruntime, numpy, pandas and mlflow-skinny as they are installed here.
        mlflow_model: to which the flavors are added.

    Raises:
        DataError: there is no such file, or it is no ONNX.
        UsageError: it does not end in .onnx.
    """
    source = saving.present(file, ".onnx")
    loaded = _read(source)
    labels = saving.listed({item.key: item.value for item in loaded.metadata_props}.get(_LABELS))
    model = Model() if mlflow_model is None else mlflow_model
    described = dict(model.metadata or {}) | ({} if labels is None else {"labels": labels})
    options: dict[str, Any] = {"intra_op_num_threads": threads, "inter_op_num_threads": 1}
    if exact and any(node.op_type == "QuantizeLinear" for node in loaded.graph.node):
        options["extra_session_config"] = _EXACT
    inputs, outputs = ([_tensor(item) for item in ends] for ends in (loaded.graph.input, loaded.graph.output))
    mlflow.onnx.save_model(
        loaded,
        str(path),
        mlflow_model=model,
        signature=signature or saving.signature(inputs, outputs, by_name=True),
        input_example=input_example,
        metadata=(described | dict(metadata or {})) or None,
        onnx_execution_providers=["CPUExecutionProvider"],
        onnx_session_options=options,
        save_as_external_data=False,
        pip_requirements=list(pip_requirements or saving.pinned(*saving.SERVER, *_PACKAGES)),
    )


def log_model(file: str | Path, name: str, **options: Any) -> ModelInfo:
    """Log ``file`` as the LoggedModel ``name``, in the active run where there is one.

    ``options`` are those of :func:`save_model` and of :meth:`mlflow.models.Model.log`:
    ``registered_model_name``, ``params``, ``tags``, ``model_type``, ``step``, ``model_id`` (of a
    LoggedModel that waits for its files), ``run_id``.
    """
    return saving.log(sys.modules[__name__], name, file, options)


#: MLflow's own: the ONNX ModelProto.
load_model = mlflow.onnx.load_model


def _read(file: Path) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(file)
    except DecodeError as error:
        raise DataError(f"{file.name} is no ONNX file: {error}; export it again") from None


def _tensor(item: Any) -> Tensor:
    kind = item.type.tensor_type
    sizes = (axis.dim_value if axis.HasField("dim_value") else OPEN for axis in kind.shape.dim)
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return Tensor(item.name, dtype.name, tuple(sizes))
