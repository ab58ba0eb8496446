"""The numpy reference: executes a graph exactly as its numbers say.

Float graphs are computed in float32 (:mod:`edgebuild.graph.floats`), integer
graphs on int8 codes (:mod:`edgebuild.graph.integers`); a node without a grid in
an integer graph is a float node between "dequantize" and "quantize". This is
the oracle that every exported file is judged against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph import floats, integers
from edgebuild.graph.codes import code_bounds, codes, real
from edgebuild.graph.ir import Graph, Grid, Node

__all__ = ["CHUNK", "activations", "chunks", "code_bounds", "codes", "real", "run"]

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

#: Images computed at once, unless the tensors of a large network would then exceed ...
CHUNK = 256
#: ... so many numbers (a quarter of a gigabyte in float32).
CHUNK_NUMBERS = 2**26


def run(graph: Graph, images: Floats) -> Floats:
    """Logits, float32 ``(n, classes)``, for real images, float32 ``(n, h, w, c)``."""
    name, grid = graph.output.name, graph.output.grid
    found = [_execute(graph, chunk, keep=False)[name] for chunk in chunks(graph, images)]
    return np.concatenate([values if grid is None else real(values, grid) for values in found])


def activations(graph: Graph, images: Floats) -> Mapping[str, Floats]:
    """Every tensor of the graph, as real numbers, for a batch of real images."""
    tensors = _execute(graph, images, keep=True)
    return {
        node.name: tensors[node.name] if node.grid is None else real(tensors[node.name], node.grid)
        for node in graph
    }


def chunks(graph: Graph, images: Floats) -> Iterator[Floats]:
    """``images`` in order, as many at once as fit the memory with all tensors of the graph."""
    numbers = sum(prod(node.shape) for node in graph) + max(_gathered(node) for node in graph)
    size = max(1, min(CHUNK, CHUNK_NUMBERS // numbers))
    return (images[start : start + size] for start in range(0, len(images), size))


def _gathered(node: Node) -> int:
    """The numbers of one image that a convolution gathers for its matrix product."""
    if node.op != "conv2d":
        return 0
    return prod(node.shape[:2]) * prod(node.weights["kernel"].values.shape[:3])


def _execute(graph: Graph, images: Floats, *, keep: bool) -> dict[str, Array]:
    """Tensors as they are held: int8 codes where a node has a grid, float32 elsewhere.

    Unless ``keep``, a tensor is dropped after its last reader.
    """
    grids = {node.name: node.grid for node in graph}
    last = {name: node.name for node in graph for name in node.inputs}
    grid = graph.input.grid
    tensors: dict[str, Array] = {
        graph.input.name: images.astype(np.float32) if grid is None else codes(images, grid)
    }
    for node in graph.nodes[1:]:
        inputs = [tensors[name] for name in node.inputs]
        tensors[node.name] = _compute(node, inputs, [grids[name] for name in node.inputs])
        for name in set(node.inputs):
            if not keep and last[name] == node.name:
                del tensors[name]
    return tensors


def _compute(node: Node, inputs: list[Array], grids: list[Grid | None]) -> Array:
    known = [grid for grid in grids if grid is not None]
    if node.op == "dequantize":
        return real(inputs[0], known[0])
    if node.grid is None:
        return floats.compute(node, inputs)
    if node.op == "quantize":
        return codes(inputs[0], node.grid)
    return integers.compute(node, inputs, known)
