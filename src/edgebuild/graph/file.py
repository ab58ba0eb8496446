"""One graph, one file: safetensors, with the structure as JSON in its header.

The bytes are canonical: the JSON has sorted keys, and safetensors orders the
tensors by size of their type and name. Nothing is pickled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.graph.ir import OPS, PRECISIONS, Graph, Grid, Node, Weight

__all__ = ["read", "write"]

SCHEMA = 1


def write(graph: Graph, path: Path) -> None:
    """Write ``graph`` to ``path``; equal graphs give equal bytes."""
    from safetensors.numpy import save

    tensors: dict[str, np.ndarray] = {}
    nodes = []
    for node in graph:
        weights = {}
        for key, weight in node.weights.items():
            tensors[f"{node.name}/{key}"] = np.ascontiguousarray(weight.values)
            if weight.scale is not None:
                tensors[f"{node.name}/{key}.scale"] = np.ascontiguousarray(weight.scale)
            weights[key] = weight.axis
        nodes.append(
            {
                "name": node.name,
                "op": node.op,
                "inputs": node.inputs,
                "shape": node.shape,
                "strides": node.strides,
                "padding": node.padding,
                "activation": node.activation,
                "weights": weights,
                "grid": None if node.grid is None else [node.grid.scale, node.grid.zero_point],
            }
        )
    structure = {"schema": SCHEMA, "precision": graph.precision, "labels": graph.labels, "nodes": nodes}
    # One metadata entry only: safetensors keeps several in no fixed order.
    path.write_bytes(save(tensors, metadata={"graph": json.dumps(structure, sort_keys=True)}))


def read(path: Path) -> Graph:
    """The graph in ``path``.

    Raises:
        GraphError: the file is missing, damaged, or of another schema.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise GraphError(f"{path} does not exist; run the stage that makes it (dvc repro)")
    try:
        with safe_open(path, framework="numpy") as file:
            structure = json.loads((file.metadata() or {}).get("graph", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise GraphError(f"{path} is not a graph file: {error}; delete it and run dvc repro") from None
    if structure is None or structure.get("schema") != SCHEMA:
        raise GraphError(f"{path} is not a graph of schema {SCHEMA}; rebuild it with dvc repro")
    nodes = tuple(_node(entry, tensors) for entry in structure["nodes"])
    graph = Graph(nodes, structure["precision"], tuple(structure["labels"]))
    check(graph, str(path))
    return graph


def check(graph: Graph, where: str) -> None:
    """Refuse a graph that is not one: unknown ops, dangling inputs, a missing grid.

    Raises:
        GraphError: naming ``where`` and the node.
    """
    if graph.precision not in PRECISIONS:
        raise GraphError(f"{where}: precision {graph.precision!r} is not one of {', '.join(PRECISIONS)}")
    seen: set[str] = set()
    for index, node in enumerate(graph):
        at = f"{where}: node {node.name!r}"
        if node.op not in OPS:
            raise GraphError(f"{at}: op {node.op!r} is not one of {', '.join(OPS)}")
        if (node.op == "input") != (index == 0):
            raise GraphError(f"{at}: a graph has one input, its first node")
        if missing := [name for name in node.inputs if name not in seen]:
            raise GraphError(f"{at}: reads {', '.join(missing)}, which no node before it makes")
        if (node.grid is None) == (graph.precision == "int8"):
            raise GraphError(f"{at}: exactly the nodes of an int8 graph have a grid")
        seen.add(node.name)


def _node(entry: dict[str, Any], tensors: dict[str, np.ndarray]) -> Node:
    name, grid = entry["name"], entry["grid"]
    return Node(
        name=name,
        op=entry["op"],
        inputs=tuple(entry["inputs"]),
        shape=tuple(entry["shape"]),
        strides=tuple(entry["strides"]),
        padding=entry["padding"],
        activation=entry["activation"],
        weights={
            key: Weight(tensors[f"{name}/{key}"], tensors.get(f"{name}/{key}.scale"), axis)
            for key, axis in entry["weights"].items()
        },
        grid=None if grid is None else Grid(grid[0], grid[1]),
    )
