"""An .onnx file as the inference graph: what PyTorch's exporters, tf2onnx and Keras write.

Operators are translated one by one; whatever cannot be is collected, so that
one look tells all that stands in the way. The order of the input's axes follows
from its shape; where both fit, it is the one with which the file makes sense,
NCHW before NHWC.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from edgebuild.errors import DataError, GraphError
from edgebuild.graph.ir import Graph
from edgebuild.importers.common import Call, Value
from edgebuild.importers.finish import MALFORMED, Reason, finish, listed
from edgebuild.importers.layout import OPEN, Refused, Tensor
from edgebuild.importers.network import Network
from edgebuild.importers.onnx_file import FOLDABLE, OnnxFile, OnnxNode, fold, read
from edgebuild.importers.onnx_ops import OPERATORS
from edgebuild.importers.onnx_windows import WINDOWS, refusals

__all__ = ["read_onnx"]

_TRANSLATIONS = {**OPERATORS, **WINDOWS}


def read_onnx(path: Path, shape: tuple[int, int, int], final: str = "softmax") -> Graph:
    """The fp32 graph of a float32 network from one image, ``shape`` (h, w, c), to one vector.

    A last activation ``final`` is left out, so that the graph gives logits.

    Raises:
        DataError: the file is damaged, or has another input.
        GraphError: operators that the graph does not have, all of them by name.
    """
    file = read(path)
    tried = []
    for axes in _layouts(file, shape, path):
        network = Network()
        result = _translate(file, network, shape, axes)
        if isinstance(result, Tensor):
            return finish(network, result, str(path), final)
        tried.append(result)
    raise GraphError(listed(str(path), min(tried, key=len)))


def _layouts(file: OnnxFile, shape: tuple[int, int, int], path: Path) -> Iterator[str]:
    """Orders of axes in which the file's input can be an image of ``shape``."""
    height, width, channels = shape
    known = {"n": file.dims[0] if file.dims else None, "h": height, "w": width, "c": channels}
    orders = {4: ("nchw", "nhwc"), 3: ("nch", "nhc", "nhw"), 2: ("nc",)}.get(len(file.dims), ())
    found = False
    for axes in orders:
        sizes = {**known, "c": prod(shape)} if axes == "nc" else known
        left_out = [] if axes == "nc" else [sizes[letter] for letter in "hwc" if letter not in axes]
        if set(left_out) <= {1} and all(
            side is None or side == sizes[letter] for side, letter in zip(file.dims, axes, strict=True)
        ):
            found = True
            yield axes
    if not found:
        has = " × ".join("any" if side is None else str(side) for side in file.dims)
        raise DataError(
            f"{path}: its input {file.input!r} is {has}, but the data are n × {height} × {width} × {channels} "
            f"(height, width, channels; NCHW is taken too); prepare the data in the network's size"
        )


def _translate(
    file: OnnxFile, network: Network, shape: tuple[int, int, int], axes: str
) -> Tensor | list[Reason]:
    """The output of the network, or every reason why there is none."""
    batch = file.dims[0] or OPEN
    values: dict[str, Value] = {"": None, **file.constants}
    values[file.input] = network.input(file.input, shape, axes, batch)
    reasons: list[Reason] = []
    for node in file.nodes:
        if any(name not in values for name in node.inputs):  # what it reads has been refused
            reasons += [Reason(node.name, node.op, reason) for reason in _regardless(file, node)]
            continue
        try:
            results = _computed(file, network, node, [values[name] for name in node.inputs])
        except Refused as error:
            reasons.append(Reason(node.name, node.op, str(error)))
        except MALFORMED as error:
            reasons.append(Reason(node.name, node.op, f"it is malformed: {error}"))
        else:
            values.update(zip(node.outputs, results, strict=False))
    output = values.get(file.output)
    if reasons:
        return reasons
    if not isinstance(output, Tensor):
        return [Reason(file.output, "output", "it does not depend on the input")]
    return output


def _computed(file: OnnxFile, network: Network, node: OnnxNode, inputs: list[Value]) -> list[Value]:
    tensors = [value for value in inputs if isinstance(value, Tensor)]
    if node.op == "Shape" and tensors:
        dims = np.array(tensors[0].dims, np.int64)
        return [dims[node.attributes.get("start", 0) : node.attributes.get("end", len(dims))]]
    if not tensors:
        constants = [value for value in inputs if not isinstance(value, Tensor)]
        return [*fold(node, constants, file.opset)]
    if node.op not in _TRANSLATIONS:
        raise Refused(_unsupported(node.op))
    translation = _TRANSLATIONS[node.op]
    return [translation(network, Call(_named(node), node.op, inputs, node.attributes, file.opset))]


def _regardless(file: OnnxFile, node: OnnxNode) -> Iterator[str]:
    """What can be said against an operator without knowing what it reads."""
    if node.op not in _TRANSLATIONS and node.op not in FOLDABLE:
        yield _unsupported(node.op)
    if node.op == "Conv" and (kernel := file.constants.get(node.inputs[1])) is not None:
        channels = kernel.shape[1] * node.attributes.get("group", 1)
        yield from refusals(node.attributes, channels, len(kernel))


def _unsupported(op: str) -> str:
    if op in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear") or op.startswith("QLinear"):
        return "the network is quantized; give the float32 network, which this build quantizes itself"
    return f"the operator is not supported; replace it before export by {_SUPPORTED}"


_SUPPORTED = "supported ones (docs/importers.md lists them)"


#: What TensorFlow calls what a layer with weights computes: "net/conv/convolution".
_OF_TENSORFLOW = ("convolution", "depthwise", "Conv2D", "MatMul")


def _named(node: OnnxNode) -> str:
    """The layer's name: the module's where a weight is called after it, otherwise that of the node, shortened.

    PyTorch calls a node "/layer1/layer1.0/conv1/Conv", whose module is layer1.0.conv1.
    """
    for name in node.inputs[1:]:
        module, _, kind = name.rpartition(".")
        if kind in ("weight", "bias") and module:
            return module
    parts = [part for part in node.name.split("/") if part]
    if len(parts) > 1 and parts[-1].partition("_")[0] in (node.op, *_OF_TENSORFLOW):
        parts.pop()
    parts = [
        part for part, after in zip(parts, [*parts[1:], ""], strict=True) if not after.startswith(f"{part}.")
    ]
    return ".".join(parts) or node.outputs[0]
