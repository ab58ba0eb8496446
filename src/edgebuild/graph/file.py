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
from edgebuild.graph.check import check
from edgebuild.graph.ir import Graph, Grid, Node, Weight

__all__ = ["check", "read", "write"]

SCHEMA = 2


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
            weights[key] = {"axis": weight.axis, "bits": weight.bits}
        nodes.append(
            {
                "name": node.name,
                "op": node.op,
                "inputs": node.inputs,
                "shape": node.shape,
                "strides": node.strides,
                "padding": node.padding,
                "window": node.window,
                "pads": node.pads,
                "activation": node.activation,
                "weights": weights,
                "grid": None if node.grid is None else [node.grid.scale, node.grid.zero_point],
            }
        )
    structure = {
        "schema": SCHEMA,
        "precision": graph.precision,
        "labels": graph.labels,
        "pixel_scale": graph.pixel_scale,
        "nodes": nodes,
        **({} if graph.task == "classification" else {"task": graph.task, "units": graph.units}),
    }
    # One metadata entry only: safetensors keeps several in no fixed order.
    path.write_bytes(save(tensors, metadata={"graph": json.dumps(structure, sort_keys=True)}))


def read(path: Path) -> Graph:
    """The graph in ``path``.

    Raises:
        GraphError: the file is missing, damaged, of another schema, or holds no valid graph.
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
    graph = Graph(
        nodes,
        structure["precision"],
        tuple(structure["labels"]),
        structure["pixel_scale"],
        structure.get("task", "classification"),
        tuple((scale, offset) for scale, offset in structure.get("units", ())),
    )
    check(graph, str(path))
    return graph


def _node(entry: dict[str, Any], tensors: dict[str, np.ndarray]) -> Node:
    name, grid = entry["name"], entry["grid"]
    return Node(
        name=name,
        op=entry["op"],
        inputs=tuple(entry["inputs"]),
        shape=tuple(entry["shape"]),
        strides=tuple(entry["strides"]),
        padding=entry["padding"],
        window=tuple(entry["window"]),
        pads=(tuple(entry["pads"][0]), tuple(entry["pads"][1])),
        activation=entry["activation"],
        weights={
            key: Weight(tensors[f"{name}/{key}"], tensors.get(f"{name}/{key}.scale"), **layout)
            for key, layout in entry["weights"].items()
        },
        grid=None if grid is None else Grid(grid[0], grid[1]),
    )
