"""Read the numbers of an .onnx file that edgebuild wrote back into the terms of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.formats.onnx_constants import TO_UINT8
from edgebuild.graph.ir import Grid, Weight

__all__ = ["Stored", "read_back"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Stored:
    """The numbers in a file, in the order of its operators.

    ``weights`` has "kernel", in Keras layout, and "bias" of every convolution
    and dense layer; means that are written as convolutions with ones, which
    have no bias, are left out. ``grids`` has the grid of every QuantizeLinear.
    """

    weights: tuple[Mapping[str, Weight], ...]
    grids: tuple[Grid, ...]


def read_back(path: Path) -> Stored:
    """The weights as they are stored, whichever way the file turns them into float32, and the grids."""
    import onnx

    graph = onnx.load(path).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    weights, grids = [], []
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm") and len(node.input) == 3:
            kernel, bias = (_weight(name, constants, makers) for name in node.input[1:])
            weights.append({"kernel": _keras(kernel, node), "bias": bias})
        elif node.op_type == "QuantizeLinear":
            scale, zero = (constants[name] for name in node.input[1:])
            grids.append(Grid(float(scale), int(zero) - TO_UINT8))
    return Stored(tuple(weights), tuple(grids))


def _weight(name: str, constants: Mapping[str, Array], makers: Mapping[str, Any]) -> Weight:
    """A constant behind Cast, Cast and Mul, DequantizeLinear, or nothing; along its ONNX axis."""
    if name in constants:
        return Weight(constants[name])
    maker = makers[name]
    if maker.op_type == "Cast":
        return _weight(maker.input[0], constants, makers)
    if maker.op_type == "Mul":
        scale = constants[maker.input[1]]
        values = _weight(maker.input[0], constants, makers).values
        bits = 4 if values.dtype.name == "int4" else 8
        return Weight(values.astype(np.int8), scale.reshape(-1), int(np.argmax(scale.shape)), bits)
    values = constants[maker.input[0]]
    if values.dtype == np.uint8:
        values = (values.astype(np.int16) - TO_UINT8).astype(np.int8)
    axis = next((item.i for item in maker.attribute if item.name == "axis"), 1)
    return Weight(values, _scale(maker.input[1], constants, makers), axis)


def _scale(name: str, constants: Mapping[str, Array], makers: Mapping[str, Any]) -> Array:
    if name in constants:
        return constants[name]
    first, second = (constants[source] for source in makers[name].input)
    product: Array = first * second
    return product


def _keras(kernel: Weight, node: Any) -> Weight:
    """From (out, in, kh, kw) to (kh, kw, in, out), or of a depthwise kernel to (kh, kw, channels, 1)."""
    if kernel.values.ndim == 2:
        return kernel if kernel.scale is None else Weight(kernel.values, kernel.scale, 1, kernel.bits)
    depthwise = any(item.name == "group" for item in node.attribute)
    values = kernel.values.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    return Weight(values, kernel.scale, 2 if depthwise else 3, kernel.bits)
