"""The numpy reference: executes a graph exactly as its numbers say.

Float graphs (fp32, fp16, w8) are computed in float32 from the real values of
their weights. Integer graphs (int8) follow the affine scheme of Jacob et al.
2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference": int8 codes, int32 sums, and one float32
multiplier per channel, rounded half to even, as XNNPACK and ONNX Runtime do.
This is the oracle that every exported file is judged against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import Graph, Grid, Node, same_padding

__all__ = ["activations", "codes", "real", "run"]

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

CHUNK = 256


def run(graph: Graph, images: Floats) -> Floats:
    """Logits, float32 ``(n, classes)``, for real images, float32 ``(n, h, w, c)``."""
    chunks = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
    return np.concatenate([activations(graph, chunk)[graph.output.name] for chunk in chunks])


def activations(graph: Graph, images: Floats) -> Mapping[str, Floats]:
    """Every tensor of the graph, as real numbers, for a batch of real images."""
    if graph.precision == "int8":
        integers = _run_int8(graph, images)
        return {node.name: real(integers[node.name], _grid(node)) for node in graph}
    tensors: dict[str, Floats] = {graph.input.name: images.astype(np.float32)}
    for node in graph.nodes[1:]:
        tensors[node.name] = _float_op(node, [tensors[name] for name in node.inputs])
    return tensors


def codes(values: Floats, grid: Grid) -> npt.NDArray[np.int8]:
    """The int8 codes of real values: round half to even, then saturate."""
    rounded = np.rint(values / np.float32(grid.scale)) + grid.zero_point
    return np.asarray(np.clip(rounded, -128, 127), np.int8)


def real(values: npt.NDArray[np.int8], grid: Grid) -> Floats:
    """The real values that int8 codes stand for."""
    return (values.astype(np.float32) - np.float32(grid.zero_point)) * np.float32(grid.scale)


def _float_op(node: Node, inputs: list[Floats]) -> Floats:
    if node.op == "add":
        result = inputs[0] + inputs[1]
    elif node.op == "global_average_pool":
        result = inputs[0].mean(axis=(1, 2), dtype=np.float32)
    elif node.op == "flatten":
        result = inputs[0].reshape(len(inputs[0]), -1)
    else:
        result = _SUMS[node.op](node, inputs[0], node.weights["kernel"].real()) + node.weights["bias"].real()
    if node.activation != "none":
        result = np.clip(result, 0, 6 if node.activation == "relu6" else None)
    return np.asarray(result, np.float32)


def _run_int8(graph: Graph, images: Floats) -> Mapping[str, npt.NDArray[np.int8]]:
    tensors = {graph.input.name: codes(images, _grid(graph.input))}
    for node in graph.nodes[1:]:
        grids = [_grid(graph[name]) for name in node.inputs]
        tensors[node.name] = _int8_op(node, [tensors[name] for name in node.inputs], grids)
    return tensors


def _int8_op(node: Node, inputs: list[npt.NDArray[np.int8]], grids: list[Grid]) -> npt.NDArray[np.int8]:
    out = _grid(node)
    centred = [array.astype(np.int32) - grid.zero_point for array, grid in zip(inputs, grids, strict=True)]
    scale_in, scale_out = np.float32(grids[0].scale), np.float32(out.scale)
    if node.op == "flatten":
        return inputs[0].reshape(len(inputs[0]), -1)
    if node.op == "add":
        scales = [np.float32(grid.scale) for grid in grids]
        result = (scales[0] * centred[0] + scales[1] * centred[1]) / scale_out
    elif node.op == "global_average_pool":
        _, height, width, _ = centred[0].shape
        sums = centred[0].sum(axis=(1, 2), dtype=np.int32)
        result = sums * (scale_in / (scale_out * np.float32(height * width)))
    else:
        kernel, bias = node.weights["kernel"], node.weights["bias"]
        assert kernel.scale is not None
        # float64 holds every integer below 2**53: BLAS then adds int8 products exactly.
        sums = _SUMS[node.op](node, centred[0].astype(np.float64), kernel.values.astype(np.float64))
        accumulator = (sums + bias.values).astype(np.int32).astype(np.float32)
        result = accumulator * (scale_in * kernel.scale / scale_out)
    low, high = code_bounds(node.activation, out)
    return np.asarray(np.clip(np.rint(result) + out.zero_point, low, high), np.int8)


def code_bounds(activation: str, grid: Grid) -> tuple[int, int]:
    """The lowest and the highest code that an activation lets through."""
    if activation == "none":
        return -128, 127
    high = 127
    if activation == "relu6":
        high = min(high, int(np.rint(np.float32(6) / np.float32(grid.scale))) + grid.zero_point)
    return max(-128, grid.zero_point), high


def _grid(node: Node) -> Grid:
    assert node.grid is not None, node.name
    return node.grid


def _padded(node: Node, image: Array, kernel: tuple[int, ...]) -> Array:
    if node.padding == "valid":
        return image
    _, height, width, _ = image.shape
    rows = same_padding(height, kernel[0], node.strides[0])
    columns = same_padding(width, kernel[1], node.strides[1])
    return np.pad(image, ((0, 0), rows, columns, (0, 0)))


def _patches(node: Node, image: Array, kernel: tuple[int, ...]) -> list[Array]:
    """For each kernel position, row by row, the pixels that it meets: (n, oh, ow, c)."""
    padded = _padded(node, image, kernel)
    (height, width, _), (down, right) = node.shape, node.strides
    return [
        padded[:, y : y + (height - 1) * down + 1 : down, x : x + (width - 1) * right + 1 : right]
        for y in range(kernel[0])
        for x in range(kernel[1])
    ]


def _conv2d(node: Node, image: Array, kernel: Array) -> Array:
    patches = np.concatenate(_patches(node, image, kernel.shape), axis=-1)
    return np.asarray(patches @ kernel.reshape(-1, kernel.shape[3]))


def _depthwise_conv2d(node: Node, image: Array, kernel: Array) -> Array:
    flat = kernel.reshape(-1, kernel.shape[2])
    patches = _patches(node, image, kernel.shape)
    total: Array = patches[0] * flat[0]
    for patch, weight in zip(patches[1:], flat[1:], strict=True):
        total += patch * weight
    return total


def _dense(node: Node, features: Array, kernel: Array) -> Array:
    del node
    return np.asarray(features @ kernel)


#: op → the sum of products, in the dtype of its operands; no bias, no activation.
_SUMS: Mapping[str, Callable[[Node, Array, Array], Array]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "dense": _dense,
}
