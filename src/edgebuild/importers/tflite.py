"""A .tflite file as the inference graph: what TensorFlow's converter writes, and what this build writes."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from edgebuild.errors import DataError, GraphError
from edgebuild.graph.ir import Graph
from edgebuild.importers.common import Call, Value
from edgebuild.importers.finish import MALFORMED, Reason, finish, listed
from edgebuild.importers.layout import OPEN, Refused, Tensor
from edgebuild.importers.network import Network
from edgebuild.importers.tflite_file import TFLiteFile, TFLiteNode, read
from edgebuild.importers.tflite_ops import FOLDED, OPERATORS, fused

__all__ = ["read_tflite"]

#: Operators with a kernel ...
_KERNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL")
#: ... and ends of the names of weights and results that tell which layer it is.
_WEIGHTED = ("convolution", "Conv2D", "MatMul", "depthwise", "BiasAdd")


def read_tflite(path: Path, shape: tuple[int, int, int], final: str = "softmax") -> Graph:
    """The fp32 graph of a float32 network from one image, ``shape`` (h, w, c), to one vector.

    A last activation ``final`` is left out, so that the graph gives logits.

    Raises:
        DataError: the file is damaged, or has another input.
        GraphError: it is quantized, or has operators that the graph does not have, all of them by name.
    """
    file = read(path)
    if file.quantized:
        raise GraphError(
            f"{path} is quantized: it computes with integers in {len(file.quantized)} tensors, among them "
            f"{file.quantized[0]!r}; give the float32 network that it was made from, which this build quantizes "
            f"itself; as it is, it can only teach (distill.teacher)"
        )
    network = Network()
    axes = _axes(file, shape, path)
    values: dict[int, Value] = {-1: None, **file.constants}
    values[file.input] = network.input("image", shape, axes, file.dims[0] or OPEN)
    reasons: list[Reason] = []
    for node in file.nodes:
        name = _named(file, node)
        title = file.names[node.outputs[0]]
        if any(number not in values for number in node.inputs):  # what it reads has been refused
            if node.op not in (*OPERATORS, *FOLDED, "SHAPE"):
                reasons.append(Reason(title, node.op, _UNSUPPORTED))
            continue
        try:
            values[node.outputs[0]] = _computed(
                network, node, name, [values[number] for number in node.inputs]
            )
        except Refused as error:
            reasons.append(Reason(title, node.op, str(error)))
        except MALFORMED as error:
            reasons.append(Reason(title, node.op, f"it is malformed: {error}"))
    output = values.get(file.output)
    if reasons:
        raise GraphError(listed(str(path), reasons))
    if not isinstance(output, Tensor):
        raise GraphError(f"{path}: its output does not depend on its input")
    return finish(network, output, str(path), final)


_UNSUPPORTED = "the operator is not supported; docs/importers.md lists those that are"


def _axes(file: TFLiteFile, shape: tuple[int, int, int], path: Path) -> str:
    height, width, channels = shape
    sides = {"h": height, "w": width, "c": channels}
    for axes in ("nhwc", "nhc", "nwc", "nhw", "nc"):
        sizes = (prod(shape),) if axes == "nc" else tuple(sides[letter] for letter in axes[1:])
        rest = () if axes == "nc" else tuple(sides[letter] for letter in "hwc" if letter not in axes)
        fits = len(file.dims) == len(axes) and set(rest) <= {1}
        if fits and all(found in (None, wanted) for found, wanted in zip(file.dims[1:], sizes, strict=True)):
            return axes
    has = " × ".join("any" if side is None else str(side) for side in file.dims)
    raise DataError(
        f"{path}: its input {file.names[file.input]!r} is {has}, but the data are n × {height} × {width} × {channels} "
        f"(height, width, channels); prepare the data in the network's size"
    )


def _computed(network: Network, node: TFLiteNode, name: str, inputs: list[Value]) -> Value:
    first = inputs[0] if inputs else None
    if node.op == "SHAPE" and isinstance(first, Tensor):
        return np.array(first.dims, np.int64)
    constants = [value for value in inputs if not isinstance(value, Tensor) and value is not None]
    if len(constants) == len(inputs):
        if node.op not in FOLDED:
            raise Refused("it computes a constant by an operator that is not supported")
        return FOLDED[node.op](constants, node.attributes)
    if node.op not in OPERATORS:
        raise Refused(_UNSUPPORTED)
    made = OPERATORS[node.op](network, Call(name, node.op, inputs, node.attributes, 0))
    return fused(network, name, made, node.attributes.get("fusedActivationFunction", 0))


def _named(file: TFLiteFile, node: TFLiteNode) -> str:
    """The layer's name, from those of the kernel and the result.

    A converted name is a list, "model/conv/Relu;model/conv/convolution"; its scopes are the layers.
    """
    kernel = node.inputs[1:2] if node.op in _KERNELS else ()
    parts = [part for number in (*kernel, node.outputs[0]) for part in file.names[number].split(";")]
    telling = [part for part in parts if kernel and part.rstrip("0123456789").endswith(_WEIGHTED)]
    scopes = (telling or [file.names[node.outputs[0]].split(";")[0]])[0].split("/")
    inner = [scope for scope in scopes[:-1] if scope != "Tensordot"]
    return inner[-1] if inner else scopes[-1] or node.op.lower()
