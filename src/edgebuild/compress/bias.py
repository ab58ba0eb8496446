"""Bias correction: the mean error that quantization brings to a channel goes into its bias.

Nagel, van Baalen, Blankevoort and Welling 2019, "Data-Free Quantization Through
Weight Equalization and Bias Correction", section 4.2 and, for the empirical
form used here, appendix D: layer by layer, the difference of the means of its
outputs before the activation, in float and in the quantized network whose
earlier layers are corrected already, over calibration images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.compress.quantize import integer_weights
from edgebuild.graph import floats, integers
from edgebuild.graph.codes import codes, real
from edgebuild.graph.ir import Graph, Node, Weight
from edgebuild.graph.run import activations, chunks

__all__ = ["correct_bias"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Tensor = npt.NDArray[Any]  # int8 codes where the node has a grid, else float32


def correct_bias(graph: Graph, lowered: Graph, images: Floats) -> Graph:
    """``graph`` with other biases: lowered in the same way again, its layers have the means of float.

    The tensors of ``lowered`` that are still to be read are held for all
    ``images`` at once, so memory grows with their number.

    Args:
        graph: fp32.
        lowered: the same network as int8 (mixed or not), w8 or w4.
        images: real calibration images, float32 ``(n, h, w, c)``.
    """
    means = _means(graph, images)
    corrected: dict[str, Node] = {}
    tensors: dict[str, list[Tensor]] = {}
    last_reader = {name: node.name for node in lowered for name in node.inputs}
    parts = list(chunks(lowered, images))
    for node in lowered:
        grid = node.grid
        if node.op == "input":
            tensors[node.name] = [chunk if grid is None else codes(chunk, grid) for chunk in parts]
            continue
        if node.weights:
            read = lowered[node.inputs[0]]
            found = _mean(node, [_real(read, values) for values in tensors[read.name]])
            corrected[node.name] = _shifted(graph[node.name], means[node.name] - found)
            node = _lowered_again(node, corrected[node.name], read)
        inputs = zip(*(tensors[name] for name in node.inputs), strict=True)
        tensors[node.name] = [_tensor(lowered, node, list(values)) for values in inputs]
        for name in set(node.inputs):
            if last_reader[name] == node.name:
                del tensors[name]
    return replace(graph, nodes=tuple(corrected.get(node.name, node) for node in graph))


def _means(graph: Graph, images: Floats) -> Mapping[str, Doubles]:
    """Layer → the means over images and pixels of its output before the activation, ``(channels,)``."""
    sums: dict[str, Doubles] = {}
    for chunk in chunks(graph, images):
        tensors = activations(graph, chunk)
        for node in graph:
            if node.weights:
                mean = _mean(node, [tensors[node.inputs[0]]])
                sums[node.name] = sums.get(node.name, np.zeros(len(mean))) + mean * len(chunk)
    return {name: total / len(images) for name, total in sums.items()}


def _mean(node: Node, inputs: list[Floats]) -> Doubles:
    linear = replace(node, activation="none", grid=None)
    total, count = np.zeros(node.shape[-1]), 0
    for values in inputs:
        outputs = floats.compute(linear, [values]).reshape(-1, node.shape[-1])
        total += outputs.sum(axis=0, dtype=np.float64)
        count += len(outputs)
    return total / count


def _shifted(node: Node, by: Doubles) -> Node:
    bias = (node.weights["bias"].real() + by).astype(np.float32)
    return replace(node, weights={**node.weights, "bias": Weight(bias)})


def _lowered_again(node: Node, corrected: Node, read: Node) -> Node:
    """The lowered ``node`` with the numbers of ``corrected``; only the bias differs, and what it forces."""
    if node.grid is None:
        return replace(node, weights={**node.weights, "bias": corrected.weights["bias"]})
    assert read.grid is not None, read.name
    return replace(node, weights=integer_weights(corrected, read.grid))


def _tensor(graph: Graph, node: Node, inputs: list[Tensor]) -> Tensor:
    sources = [graph[name] for name in node.inputs]
    if node.op == "dequantize":
        return _real(sources[0], inputs[0])
    if node.op == "quantize":
        assert node.grid is not None, node.name
        return codes(inputs[0], node.grid)
    if node.grid is None:
        return floats.compute(node, inputs)
    return integers.compute(node, inputs, [source.grid for source in sources if source.grid is not None])


def _real(node: Node, values: Tensor) -> Floats:
    return values if node.grid is None else real(values, node.grid)
