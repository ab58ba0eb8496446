"""How a kernel lies in a Core ML program: in the form with the fewest bytes that the target can read.

============  ===========================================  ==================================
numbers       dense                                        sparse: a bit mask and the rest
============  ===========================================  ==================================
float         const                                        constexpr_sparse_to_dense (iOS 16)
int8          constexpr_affine_dequantize (iOS 16)         only with iOS 18
int8, int4    constexpr_blockwise_shift_scale (iOS 18)     constexpr_sparse_blockwise_shift_scale
                                                           and constexpr_sparse_to_dense (iOS 18)
============  ===========================================  ==================================

The bytes decide for each kernel on its own: its data in the weight file, where
every constant has 64 bytes of metadata and begins at a multiple of 64, and
what the operation itself takes in the specification. Equal kernels are always
stored in the same form. The numbers are the graph's own in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.graph.ir import Graph, Node, Weight

__all__ = ["KERNEL_ORDER", "Building", "kernel", "numbers"]

#: op → order of its kernel's axes in MIL: (out, in, height, width), (out, in).
KERNEL_ORDER = {"conv2d": (3, 2, 0, 1), "depthwise_conv2d": (2, 3, 0, 1), "dense": (1, 0)}

_ALIGNMENT = 64
#: coremltools writes arrays of fewer elements into the specification, where four bits save nothing.
_FEW = 10
#: Bytes that a sparse form takes in the specification beyond its dense form (measured).
_SPARSE, _JOINT = 120, 400

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Building:
    """What every function that adds to a program needs.

    ``mb`` and ``types`` are coremltools' MIL builder and type system. ``kind``
    is what the program computes in, float32 or float16. ``ios18`` says that the
    target reads block-wise and joint constants. ``batch`` is 1, or a symbol
    where the batch is free. ``unique`` maps wanted names to unused valid ones.
    """

    graph: Graph
    mb: Any
    types: Any
    kind: type[np.floating[Any]]
    ios18: bool
    batch: Any
    unique: Callable[[str], str]


def numbers(to: Building, node: Node, weight: Weight) -> Array:
    """The real numbers of ``weight`` in the type that the program computes in.

    Raises:
        GraphError: a number is not finite, or too large for float16.
    """
    with np.errstate(over="ignore"):
        values = weight.real().astype(to.kind)
    if not np.isfinite(values).all():
        raise GraphError(
            f"{node.name}: every weight must be a finite {values.dtype}, found infinity or NaN; use fp32"
        )
    return values


def kernel(to: Building, node: Node, name: str) -> Any:
    """The kernel of ``node`` with its axes in MIL's order: a constant, or an operation that expands one."""
    weight, order = node.weights["kernel"], KERNEL_ORDER[node.op]
    if weight.scale is None:
        real = np.ascontiguousarray(numbers(to, node, weight).transpose(order))
        if _in_file(real.size * real.itemsize) <= _sparse_bytes(real, 8 * real.itemsize) + _SPARSE:
            return real
        return _sparse(to, real, name)
    codes, axis = np.ascontiguousarray(weight.values.transpose(order)), order.index(weight.axis)
    scale = _scale(to, weight.scale)
    if not to.ios18:
        return to.mb.constexpr_affine_dequantize(
            quantized_data=codes, scale=scale, zero_point=np.int8(0), axis=np.int32(axis), name=name
        )
    along = [1] * codes.ndim
    along[axis] = -1
    scale = scale.reshape(along)
    bits = weight.bits if codes.size >= _FEW else 8
    stored = codes.astype(to.types.np_int4_dtype) if bits == 4 else codes
    if _in_file(-(-codes.size * bits // 8)) <= _sparse_bytes(codes, bits) + _JOINT:
        return to.mb.constexpr_blockwise_shift_scale(data=stored, scale=scale, name=name)
    mask, real = to.mb.constexpr_sparse_blockwise_shift_scale(
        data_mask=(codes != 0).astype(to.types.np_uint1_dtype),
        nonzero_data=stored[codes != 0],
        scale=scale,
        name=f"{name}_nonzero",
    )
    return to.mb.constexpr_sparse_to_dense(nonzero_data=real, mask=mask, name=name)


def _sparse(to: Building, real: Array, name: str) -> Any:
    """The nonzero elements of ``real`` in C order, and one bit per element."""
    present = real != 0
    if to.ios18:
        mask = present.astype(to.types.np_uint1_dtype)
        return to.mb.constexpr_sparse_to_dense(nonzero_data=real[present], mask=mask, name=name)
    return to.mb.constexpr_sparse_to_dense(
        nonzero_data=real[present],
        mask=np.packbits(present.reshape(-1), bitorder="little"),
        shape=np.array(real.shape, np.uint32),
        name=name,
    )


def _scale(to: Building, scale: npt.NDArray[np.float32]) -> Array:
    """In the program's type. Where float16 has no number that small, the smallest it has: never zero."""
    smallest = np.finfo(np.float16).smallest_subnormal
    return scale if to.kind is np.float32 else np.maximum(scale.astype(np.float16), smallest)


def _sparse_bytes(values: Array, bits: int) -> float:
    """Bytes of mask and nonzero elements; infinite where too few are left for the weight file."""
    count = int(np.count_nonzero(values))
    size = _in_file(-(-count * bits // 8)) + _in_file(-(-values.size // 8))
    return size if count >= _FEW else float("inf")


def _in_file(size: int) -> int:
    """Bytes that a constant of ``size`` bytes takes in the weight file."""
    return _ALIGNMENT + -(-size // _ALIGNMENT) * _ALIGNMENT
