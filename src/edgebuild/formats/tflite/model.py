"""The whole file: the network with float32 ends, its metadata, and the class names."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as tfl

from edgebuild.formats.tflite import metadata
from edgebuild.formats.tflite.ops import OPERATORS
from edgebuild.formats.tflite.writer import Writer
from edgebuild.graph.ir import Graph, Node

__all__ = ["INPUT", "OUTPUT", "serialize"]

INPUT = "image"
OUTPUT = "logits"


def serialize(graph: Graph, flexible: bool) -> bytes:
    """The file's bytes; equal graphs give equal bytes.

    The input and the output are float32 in every precision: integer graphs get
    a QUANTIZE in front and a DEQUANTIZE behind. Tensors between have no names.

    Raises:
        GraphError: a class name does not fit into the file's list of labels.
    """
    writer = Writer(flexible)
    ends = _subgraph(writer, graph)
    model = tfl.ModelT()
    model.version = 3
    model.subgraphs = [ends]
    model.metadata = [tfl.MetadataT()]
    model.metadata[0].name = metadata.NAME
    described = np.frombuffer(metadata.describe(graph, INPUT, OUTPUT), np.uint8)
    model.metadata[0].buffer = writer.buffer(described)
    model.operatorCodes = [_operator_code(*item) for item in writer.versions.items()]
    model.buffers = writer.buffers
    builder = _SharingBuilder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return metadata.with_labels(bytes(builder.Output()), graph.labels)


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Stores equal vectors once: shapes, the zero points of kernels, equal constants."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._stored: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802 (flatbuffers' name)
        key = (x.dtype.str, x.tobytes())
        if key not in self._stored:
            if x.dtype == np.uint8:
                self.Prep(16, x.size)  # the data of a buffer: (force_align: 16) in the schema
            self._stored[key] = super().CreateNumpyVector(x)
        return self._stored[key]


def _subgraph(writer: Writer, graph: Graph) -> Any:
    for node in graph:
        last = node is graph.output and node.grid is None
        if node.op == "input":
            source = _input(writer, node)
            continue
        inputs = [writer.results[name] for name in node.inputs]
        output = writer.activation(node.shape, node.grid, OUTPUT if last else None)
        OPERATORS[node.op](writer, node, inputs, output)
        writer.results[node.name] = output
    target = writer.results[graph.output.name]
    if graph.output.grid is not None:
        target = writer.dequantize(target, writer.activation(graph.output.shape, None, OUTPUT))
    subgraph = tfl.SubGraphT()
    subgraph.tensors = writer.tensors
    subgraph.operators = writer.unpacking + writer.operators
    subgraph.inputs, subgraph.outputs = np.array([source], np.int32), np.array([target], np.int32)
    return subgraph


def _input(writer: Writer, node: Node) -> int:
    """The float32 tensor that an application fills; the node's own one lies behind it in integer graphs."""
    source = writer.activation(node.shape, None, INPUT)
    writer.results[node.name] = source
    if node.grid is not None:
        writer.results[node.name] = writer.activation(node.shape, node.grid)
        OPERATORS["quantize"](writer, node, [source], writer.results[node.name])
    return source


def _operator_code(code: int, version: int) -> Any:
    result = tfl.OperatorCodeT()
    result.builtinCode = code
    result.deprecatedBuiltinCode = min(code, 127)  # where runtimes before 2.4 look
    result.version = version
    return result
