"""The integer half of the numpy reference: every op from int8 codes to int8 codes.

The affine scheme of Jacob et al. 2018, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference": int8 codes, int32
sums, and one float32 multiplier per channel, rounded half to even, as XNNPACK
and ONNX Runtime do. Ops that do no arithmetic move codes; the functions that
are not linear are computed in float32 from the real values of the codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph.codes import Codes, code_bounds, codes, real
from edgebuild.graph.floats import activate
from edgebuild.graph.ir import Grid, Node
from edgebuild.graph.windows import SUMS, cropped, largest, padded, totals

__all__ = ["compute"]

Integers = npt.NDArray[np.int32]
Array = npt.NDArray[Any]


def compute(node: Node, inputs: Sequence[Codes], grids: Sequence[Grid]) -> Codes:
    """The codes of ``node``, int8 ``(n, *node.shape)``, from those that it reads and their grids."""
    assert node.grid is not None, node.name
    first, grid = inputs[0], grids[0]
    if node.op in ("flatten", "expand"):
        return first.reshape(-1, *node.shape)
    if node.op == "concat":
        return np.concatenate(inputs, axis=-1)
    if node.op == "max_pool":
        return largest(node, first)
    if node.op == "pad":
        return padded(node, first, grid.zero_point)
    if node.op == "crop":
        return cropped(node, first)
    if node.op == "activation":
        return codes(activate(real(first, grid), node.activation), node.grid)
    centred = [_centred(values, own) for values, own in zip(inputs, grids, strict=True)]
    steps = _in_steps(node, centred, [np.float32(own.scale) for own in grids], np.float32(node.grid.scale))
    low, high = code_bounds(node.activation, node.grid)
    return np.asarray(np.clip(np.rint(steps) + node.grid.zero_point, low, high), np.int8)


def _centred(values: Codes, grid: Grid) -> Integers:
    return values.astype(np.int32) - np.int32(grid.zero_point)


def _in_steps(node: Node, centred: list[Integers], scales: list[np.float32], out: np.float32) -> Array:
    """What ``node`` computes, in steps of its output grid (scale ``out``), not rounded yet."""
    if node.op == "add":
        # Runtimes scale by fixed-point numbers finer than float32: what is not quite a tie must not become one.
        first, second = (values * np.float64(scale) for values, scale in zip(centred, scales, strict=True))
        return np.asarray((first + second) / np.float64(out))
    if node.op == "multiply":
        return (centred[0] * centred[1]).astype(np.float32) * (scales[0] * scales[1] / out)
    if node.op == "average_pool":  # it keeps the grid of its input
        sums, counts = totals(node, centred[0])
        return np.asarray(sums.astype(np.float32) / counts)
    if node.op == "global_average_pool":
        _, height, width, _ = centred[0].shape
        sums = centred[0].sum(axis=(1, 2), dtype=np.int32).reshape(-1, *node.shape)
        return np.asarray(sums.astype(np.float32) * (scales[0] / (out * np.float32(height * width))))
    kernel, bias = node.weights["kernel"], node.weights["bias"]
    assert kernel.scale is not None, node.name
    exact = _exact_float(kernel.values.size // len(kernel.scale))
    sums = SUMS[node.op](node, centred[0].astype(exact), kernel.values.astype(exact))
    accumulator = (sums.astype(np.int64) + bias.values.astype(np.int64)).astype(np.int32).astype(np.float32)
    return np.asarray(accumulator * (scales[0] * kernel.scale / out))


def _exact_float(products: int) -> type[np.float32] | type[np.float64]:
    """A float type that holds every sum of so many products of codes: BLAS then adds integers exactly.

    A product is at most 255 · 128; float32 holds every integer up to 2**24, float64 up to 2**53.
    """
    return np.float32 if products * 255 * 128 <= 2**24 else np.float64
