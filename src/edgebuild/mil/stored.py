"""What a saved program holds of its graph: kernels and grids, as they lie in the file.

The evaluator shows that a file computes the right numbers; this shows that it
stores the right ones. Everything is read from the program, nothing computed:
integers stay integers, a sparse kernel is filled in, axes are in the graph's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.graph.ir import Grid, Weight
from edgebuild.mil.program import Array, Function, Operation, Reference, Value

__all__ = ["Stored", "read_back"]

#: MIL's order of a kernel's axes back to the graph's: conv2d, depthwise_conv2d, dense.
_CONV, _DEPTHWISE, _DENSE = (2, 3, 1, 0), (2, 3, 0, 1), (1, 0)


@dataclass(frozen=True)
class Stored:
    """In the order of the program: kernels in the graph's layout, biases, forms, and the grids of activations.

    ``forms`` names the operation that expands each kernel, "const" where it is stored as it is used.
    """

    kernels: tuple[Weight, ...]
    biases: tuple[Array, ...]
    forms: tuple[str, ...]
    grids: tuple[Grid, ...]


def read_back(function: Function) -> Stored:
    """The kernels and grids in ``function``.

    Raises:
        GraphError: a kernel that :mod:`edgebuild.mil.storage` does not write.
    """
    makers = {name: operation for operation in function.operations for name, _ in operation.outputs}
    kernels, biases, forms, grids, seen = [], [], [], [], []
    for operation in function.operations:
        if operation.type in ("conv", "linear"):
            form, weight = _kernel(operation, makers)
            forms.append(form)
            kernels.append(weight)
            biases.append(_array(operation, "bias", makers))
        elif operation.type == "dequantize" and (read := operation.inputs["input"]) not in seen:
            seen.append(read)  # a pooling reads the same codes once more, in steps
            scale, zero_point = (_array(operation, key, makers) for key in ("scale", "zero_point"))
            grids.append(Grid(float(np.float32(scale)), int(np.int8(zero_point))))
    return Stored(tuple(kernels), tuple(biases), tuple(forms), tuple(grids))


def _kernel(reader: Operation, makers: Mapping[str, Operation]) -> tuple[str, Weight]:
    order: tuple[int, ...] = _DENSE
    if reader.type == "conv":
        order = _DEPTHWISE if int(np.int32(_array(reader, "groups", makers))) > 1 else _CONV
    maker = _maker(reader, "weight", makers)
    if maker is None:
        return "const", Weight(_array(reader, "weight", makers).transpose(order))
    if maker.type == "constexpr_affine_dequantize":
        return maker.type, _codes(maker, _array(maker, "quantized_data", makers), order, makers)
    if maker.type == "constexpr_blockwise_shift_scale":
        return maker.type, _codes(maker, _array(maker, "data", makers), order, makers)
    if maker.type == "constexpr_sparse_to_dense":
        inner = _maker(maker, "nonzero_data", makers)
        if inner is None:
            return maker.type, Weight(_filled(maker, "mask", "nonzero_data", makers).transpose(order))
        if inner.type == "constexpr_sparse_blockwise_shift_scale":
            codes = _filled(inner, "data_mask", "nonzero_data", makers)
            return inner.type, _codes(inner, codes, order, makers)
    raise GraphError(f"{maker.location}: no form in which kernels are written; was it written by edgebuild?")


def _codes(maker: Operation, codes: Array, order: tuple[int, ...], makers: Mapping[str, Operation]) -> Weight:
    """Integers and their scales, which run along MIL's axis 0."""
    scale = _array(maker, "scale", makers).astype(np.float32).reshape(-1)
    return Weight(codes.transpose(order), scale, order.index(0))


def _filled(operation: Operation, mask: str, nonzero: str, makers: Mapping[str, Operation]) -> Array:
    """A sparse kernel with its zeros; iOS 16 packs the mask into bytes and states the shape beside it."""
    present, elements = _array(operation, mask, makers), _array(operation, nonzero, makers)
    if "shape" in operation.inputs:
        shape = _array(operation, "shape", makers).astype(int)
        present = np.unpackbits(present.astype(np.uint8), bitorder="little")[: shape.prod()].reshape(shape)
    dense = np.zeros(present.shape, elements.dtype)
    dense[present != 0] = elements
    return dense


def _maker(operation: Operation, key: str, makers: Mapping[str, Operation]) -> Operation | None:
    """The operation that makes parameter ``key``; None where it is a constant."""
    item = _argument(operation, key)
    if not isinstance(item, Reference) or makers[item.name].type == "const":
        return None
    return makers[item.name]


def _array(operation: Operation, key: str, makers: Mapping[str, Operation]) -> Array:
    """The constant that parameter ``key`` is."""
    item = _argument(operation, key)
    if isinstance(item, Reference):
        item = _argument(makers[item.name], "val")
    if not isinstance(item, np.ndarray):
        raise GraphError(f"{operation.location}: parameter {key} must be a constant")
    return item


def _argument(operation: Operation, key: str) -> Reference | Value:
    argument = operation.inputs.get(key, ())
    if len(argument) != 1:
        raise GraphError(f"{operation.location}: one parameter {key} is required, found {len(argument)}")
    return argument[0]
