"""What model files hold, one function for each kind: pairs of a name and a value, a document or an array.

Trained models are read without TensorFlow, Core ML packages without coremltools' converters.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgebuild.build.verify.protobuf import Pairs, walk

__all__ = ["keras", "mlpackage", "onnx", "safetensors"]


def safetensors(path: Path) -> Pairs:
    """The metadata, which in a graph file is the graph as JSON, and the tensors by name."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        for key, text in sorted((file.metadata() or {}).items()):
            yield key, json.loads(text) if key == "graph" else text
        for name in sorted(file.keys()):
            yield name, file.get_tensor(name)


def keras(path: Path) -> Pairs:
    """The JSON documents by key, and the variables by their layer's name."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            content = archive.read(member)
            if member.endswith(".json"):
                yield member, json.loads(content)
            elif member.endswith(".h5"):
                with h5py.File(io.BytesIO(content)) as file:
                    yield from _group(file, "")
            else:
                yield member, np.frombuffer(content, np.uint8)


def _group(group: Any, path: str) -> Pairs:
    import h5py

    # Keras numbers groups by class and writes the layer's name as an attribute of its variables.
    title = group.attrs.get("name", "")
    name = f"{path} {title}".strip() if isinstance(title, str) else path
    for key, value in sorted(group.attrs.items()):
        yield f"{name} attribute {key}", value.tolist() if hasattr(value, "tolist") else value
    for key, item in group.items():
        inside = f"{path}/{key}" if path else key
        if isinstance(item, h5py.Group):
            yield from _group(item, inside)
        else:
            yield f"{name} variable {key}", np.asarray(item)


def onnx(path: Path) -> Pairs:
    """Every field, tensors as arrays; nodes are called by index, operation and name, constants also by their reader."""
    import onnx as library
    from onnx import numpy_helper

    # Weights in a file beside the model would need its folder; what is here is all that is compared.
    model = library.load(path, load_external_data=False)
    readers: dict[str, str] = {}
    for index, node in enumerate(model.graph.node):
        for position, name in enumerate(node.input):
            readers.setdefault(name, f" (input {position} of node {index} {node.op_type})")

    def special(message: Any, place: str) -> Pairs | None:
        if not isinstance(message, library.TensorProto):
            return None
        name = place.removeprefix("graph.")
        reader = readers.get(message.name, "") if name.startswith("initializer") else ""
        return iter([(f"{name}{reader}", numpy_helper.to_array(message))])

    for key, value in walk(model, "", special):
        yield key.removeprefix("graph."), value


def mlpackage(path: Path) -> Pairs:
    """Every field of the specification; operations with their constants, wherever those lie; and the manifest."""
    from edgebuild.mil import package, proto, reader

    specification, weights = package.read(path)
    program = reader.parse(specification, weights, path.name)
    functions = iter(sorted(program.functions))

    def special(message: Any, place: str) -> Pairs | None:
        if message.DESCRIPTOR.full_name != "CoreML.Specification.MILSpec.Function":
            return None
        name = next(functions)  # walked in the order of their names, too
        return _function("" if name == "main" else f"{name}: ", program.functions[name])

    yield from walk(proto.model_pb2().Model.FromString(specification), "", special)
    yield "Manifest.json", json.loads((path / "Manifest.json").read_text(encoding="utf-8"))


def _function(prefix: str, function: Any) -> Pairs:
    from edgebuild.mil.program import Reference

    yield f"{prefix}inputs", {name: str(kind) for name, kind in function.inputs.items()}
    for index, operation in enumerate(function.operations):
        place = f"{prefix}operation {index} {operation.type} {operation.name}".rstrip()
        yield f"{place}.outputs", [f"{name}: {kind}" for name, kind in operation.outputs]
        for key, arguments in operation.inputs.items():
            for number, argument in enumerate(arguments):
                name = f"{place}.{key}" if len(arguments) == 1 else f"{place}.{key}[{number}]"
                yield name, f"reads {argument.name}" if isinstance(argument, Reference) else argument
    yield f"{prefix}outputs", list(function.outputs)
