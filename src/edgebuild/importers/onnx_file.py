"""Opens an .onnx file and takes it apart: checked, functions inlined, constants computed.

Exporters leave arithmetic on shapes in a file (``Shape``, ``Gather``,
``Concat``, ``Reshape``); :func:`fold` computes it with ONNX's own reference
implementation, a batch that the file leaves open standing as
:data:`~edgebuild.importers.layout.OPEN`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.importers.layout import Refused

__all__ = ["FOLDABLE", "OPSETS", "OnnxFile", "OnnxNode", "fold", "read"]

Array = npt.NDArray[Any]

#: The versions of ONNX's operators whose meaning is known here.
OPSETS = (9, 23)

#: Operators that are computed where all that they read is constant.
# fmt: off
FOLDABLE = frozenset((
    "Add", "Cast", "Ceil", "Concat", "ConstantOfShape", "DequantizeLinear", "Div", "Equal", "Floor",
    "Gather", "Identity", "Mul", "Neg", "Pow", "Range", "Reciprocal", "ReduceProd", "Reshape", "Shape",
    "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
))
# fmt: on
#: A constant made of a shape holds no more numbers than this: a damaged file may ask for any.
_LARGEST = 2**26


@dataclass(frozen=True)
class OnnxNode:
    """One operator; ``inputs`` are names, "" for one that is left out."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    proto: Any


@dataclass(frozen=True)
class OnnxFile:
    """A file with one image as input and one output; ``dims`` of the input are None where they are open."""

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    input: str
    dims: tuple[int | None, ...]
    output: str
    opset: int


def read(path: Path) -> OnnxFile:
    """Open ``path``.

    Raises:
        DataError: it is damaged, is not float32 from one input to one output, or of another opset.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import inliner

    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        if model.functions:
            model = inliner.inline_local_functions(model)
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    except FileNotFoundError as error:
        raise DataError(
            f"{path} keeps its weights in {error.filename or 'another file'}, which is not there; put it beside the "
            f"file, and declare both as dependencies of the stage"
        ) from None
    except KeyError as error:
        raise DataError(
            f"{path} is no ONNX file that can be read: type {error} of a tensor is not known"
        ) from None
    except (DecodeError, onnx.checker.ValidationError, ValueError, TypeError, OSError, RuntimeError) as error:
        raise DataError(f"{path} is no ONNX file that can be read: {_first_line(error)}") from None
    graph = model.graph
    versions = {item.domain: item.version for item in model.opset_import}
    opset = versions.get("", versions.get("ai.onnx", 0))
    inputs = [item for item in graph.input if item.name not in constants]
    problems = _problems(opset, inputs, list(graph.output), onnx.TensorProto.FLOAT)
    if problems:
        raise DataError(f"{path}: {'; '.join(problems)}")
    sides = inputs[0].type.tensor_type.shape.dim
    dims = tuple(side.dim_value if side.HasField("dim_value") else None for side in sides)
    nodes = tuple(_node(onnx, node, place) for place, node in enumerate(graph.node))
    return OnnxFile(nodes, constants, inputs[0].name, dims, graph.output[0].name, opset)


def _problems(opset: int, inputs: Sequence[Any], outputs: Sequence[Any], float32: int) -> list[str]:
    low, high = OPSETS
    found = []
    if not low <= opset <= high:
        found.append(f"its opset is {opset}, not one of {low} to {high}; export it with opset_version=17")
    if len(inputs) != 1 or len(outputs) != 1:
        names = ", ".join(repr(item.name) for item in (*inputs, *outputs))
        found.append(
            f"it has {len(inputs)} inputs and {len(outputs)} outputs ({names}), not one of each; export the network "
            f"from one image to its logits"
        )
    for item in (*inputs, *outputs):
        if item.type.tensor_type.elem_type != float32:
            found.append(
                f"{item.name!r} is not float32; export the network in float32, before it is quantized"
            )
    return found


def _node(onnx: Any, proto: Any, place: int) -> OnnxNode:
    domain = "" if proto.domain in ("", "ai.onnx") else f"{proto.domain}."
    name = proto.name or (proto.output[0] if proto.output else f"number {place}")
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in proto.attribute}
    return OnnxNode(name, domain + proto.op_type, tuple(proto.input), tuple(proto.output), attributes, proto)


def fold(node: OnnxNode, inputs: Sequence[Array | None], opset: int) -> list[Array]:
    """What a node gives that reads constants only, one array for every output.

    Raises:
        Refused: the operator is not one that is computed when the file is read, or cannot be.
    """
    if node.op == "Constant":
        return [_constant(node)]
    if node.op not in FOLDABLE:
        raise Refused("it computes a constant by an operator that is not supported; export without it")
    if (
        node.op == "ConstantOfShape"
        and prod(int(size) for size in np.ravel(np.asarray(inputs[0]))) > _LARGEST
    ):
        raise Refused("it makes a constant too large to be one")
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = [name for name in node.inputs if name]
    values = {name: value for name, value in zip(node.inputs, inputs, strict=True) if name}
    anything = [helper.make_empty_tensor_value_info(name) for name in (*names, *node.outputs)]
    count = len(names)
    graph = helper.make_graph([node.proto], "constant", anything[:count], anything[count:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(None, values)
    except (
        ValueError,
        IndexError,
        TypeError,
        KeyError,
        RuntimeError,
        AttributeError,
        OverflowError,
    ) as error:
        raise Refused(f"it cannot be computed: {_first_line(error)}") from None
    return [np.asarray(result) for result in results]


def _constant(node: OnnxNode) -> Array:
    import onnx

    (key, value), *_ = node.attributes.items()
    if key == "value":
        return np.asarray(onnx.numpy_helper.to_array(value))
    kinds = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }
    if key not in kinds:
        raise Refused(f"its {key} is no constant of numbers")
    return np.asarray(value, kinds[key])


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
