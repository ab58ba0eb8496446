"""Reads the weights back out of a .tflite file, with the schema's own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from edgebuild.compress.quantize import to_w4
from edgebuild.graph.ir import Graph, Weight
from tests import networks

Op = tfl.BuiltinOperator

#: operator → how its kernel becomes the graph's again, and which axis then has the channels
LAYOUTS = {
    Op.BATCH_MATMUL: ((0, 1), 1),
    Op.CONV_2D: ((1, 2, 3, 0), 3),
    Op.DEPTHWISE_CONV_2D: ((1, 2, 3, 0), 2),
    Op.FULLY_CONNECTED: ((1, 0), 1),
}
TYPES = {tfl.TensorType.FLOAT32: np.float32, tfl.TensorType.FLOAT16: np.float16}
TYPES |= {tfl.TensorType.INT8: np.int8, tfl.TensorType.INT32: np.int32}


def lowered(graph: Graph, precision: str) -> Graph:
    """``graph`` in another precision, w4 among them."""
    return to_w4(graph) if precision == "w4" else networks.lowered(graph, precision)


def parse(path: Path) -> Any:
    """The whole model as the schema's objects."""
    return tfl.ModelT.InitFromObj(tfl.Model.GetRootAs(path.read_bytes()))


def operators(model: Any) -> list[tuple[int, Any]]:
    """Builtin code and operator, in the order of execution."""
    return [
        (model.operatorCodes[operator.opcodeIndex].builtinCode, operator)
        for operator in model.subgraphs[0].operators
    ]


def read_back(path: Path) -> list[dict[str, Weight]]:
    """Kernel and bias of every weighted operator, in order, in the graph's layout; DEQUANTIZE is looked through.

    A 1×1 kernel that is written as a matrix comes back as (in, out).
    Poolings that are written as convolutions with ones are left out.
    """
    model = parse(path)
    tensors = model.subgraphs[0].tensors
    stored = {
        operator.outputs[0]: operator.inputs[0]
        for code, operator in operators(model)
        if code == Op.DEQUANTIZE
    }
    found = []
    listed = operators(model)
    for place, (code, operator) in enumerate(listed):
        if code not in LAYOUTS:
            continue
        order, axis = LAYOUTS[code]
        indices = operator.inputs[1:3].tolist()
        if code == Op.BATCH_MATMUL:  # the ADD behind it has the bias
            indices.append(listed[place + 1][1].inputs[1])
        kernel, bias = (tensors[stored.get(index, index)] for index in indices)
        if code == Op.DEPTHWISE_CONV_2D and (_values(model, kernel) == 1).all():
            continue
        found.append(
            {
                "kernel": _weight(model, kernel, order, axis),
                "bias": _weight(model, bias, (0,), 0),
            }
        )
    return found


def weights(graph: Graph) -> list[dict[str, Weight]]:
    """The same of the graph itself."""
    return [dict(node.weights) for node in graph if node.weights]


def _weight(model: Any, tensor: Any, order: tuple[int, ...], axis: int) -> Weight:
    values = _values(model, tensor).transpose(order)
    bits = 4 if tensor.type == tfl.TensorType.INT4 else 8
    if tensor.quantization is None:
        return Weight(values, None, axis, bits)
    assert tensor.quantization.quantizedDimension == order[axis]
    assert not tensor.quantization.zeroPoint.any()
    return Weight(values, tensor.quantization.scale, axis, bits)


def _values(model: Any, tensor: Any) -> np.ndarray:
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    if tensor.type != tfl.TensorType.INT4:
        return np.frombuffer(data.tobytes(), TYPES[tensor.type]).reshape(tensor.shape)
    halves = np.stack([data & 0xF, data >> 4], axis=1).reshape(-1)[: np.prod(tensor.shape)]
    return ((halves.astype(np.int8) ^ 8) - 8).astype(np.int8).reshape(tensor.shape)
