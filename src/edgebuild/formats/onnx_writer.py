"""From a graph to an ONNX model.

int8 graphs are written as QuantizeLinear/DequantizeLinear pairs around float
operators, the form that ONNX Runtime fuses into integer kernels; ops that only
move values stand between the codes. Activations are uint8 (code + 128, zero
point + 128: the same grid), because its x86 kernels for int8 activations are
slower and leave depthwise convolutions in float. A ReLU whose zero is the
lowest code needs no operator: saturation does it; any other bound is a Clip of
codes. Tanh and hard_silu have no integer kernel and run in float between codes.
"""

from __future__ import annotations

import json
from itertools import count
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.formats.onnx_constants import TO_UINT8, is_worth_widening, pack, scale_and_zero, short, widen
from edgebuild.formats.onnx_ops import LAYOUTS, MOVES, Step, activation, arithmetic, moves, sums_ones
from edgebuild.graph.codes import code_bounds
from edgebuild.graph.ir import Graph, Node, Weight
from edgebuild.graph.meaning import outputs_mean, properties

__all__ = ["DESCRIPTION", "serialize"]

Array = npt.NDArray[np.generic]

#: Quantization per channel needs 13, HardSwish 14; newer ones gain nothing and old runtimes lose.
OPSET, IR_VERSION = 17, 8
#: INT4 tensors need this.
OPSET_INT4, IR_VERSION_INT4 = 21, 10

DESCRIPTION = (
    "Image classifier. image: float32, channels before height and width, pixel value times "
    "edgebuild.pixel_scale. logits: one number per entry of edgebuild.labels."
)
#: That of other networks; what follows is their own.
OTHER = "image: float32, channels before height and width, stored value times edgebuild.pixel_scale. logits: "


def serialize(graph: Graph, *, flexible: bool, unsigned: bool) -> bytes:
    """The bytes of the .onnx file; see :func:`edgebuild.formats.onnx.write`."""
    model: bytes = _Writer(graph, unsigned).model(flexible).SerializeToString(deterministic=True)
    return model


class _Writer:
    """Collects the nodes and constants of one ONNX graph.

    Tensors have short names and equal constants are stored once: in a small
    model names and zero points outweigh the weights.
    """

    def __init__(self, graph: Graph, unsigned: bool) -> None:
        import onnx

        self.onnx = onnx
        self.graph = graph
        self.unsigned = unsigned
        self.widens = not unsigned and is_worth_widening(graph)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.stored: dict[tuple[object, ...], str] = {}  # what a constant holds → its name
        self.floats: dict[str, str] = {}  # node → the float32 tensor that holds its result
        self.codes: dict[str, str] = {}  # node → the uint8 tensor, where it has a grid
        self.names = (short(number) for number in count())

    def model(self, flexible: bool) -> Any:
        helper, proto = self.onnx.helper, self.onnx.TensorProto
        for node in self.graph:
            self._add(node)
        self._float(self.graph.output)
        self.nodes[-1].output[0] = "logits"
        batch = "batch" if flexible else 1
        ends = [
            helper.make_tensor_value_info(name, proto.FLOAT, [batch, *node.shape[2:], *node.shape[:2]])
            for name, node in (("image", self.graph.input), ("logits", self.graph.output))
        ]
        opset, ir = (OPSET_INT4, IR_VERSION_INT4) if self.graph.precision == "w4" else (OPSET, IR_VERSION)
        model = helper.make_model(
            helper.make_graph(self.nodes, "edgebuild", ends[:1], ends[1:], self.constants),
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=ir,
            producer_name="edgebuild",
            doc_string=DESCRIPTION
            if self.graph.task == "classification"
            else f"{OTHER}{outputs_mean(self.graph)}.",
        )
        metadata = {
            "edgebuild.labels": json.dumps(self.graph.labels),
            "edgebuild.pixel_scale": repr(float(self.graph.pixel_scale)),
            "edgebuild.layout": "NCHW",
            "edgebuild.precision": self.graph.precision,
            **{f"edgebuild.{key}": value for key, value in properties(self.graph).items()},
        }
        helper.set_model_props(model, metadata)
        return model

    def _add(self, node: Node) -> None:
        sources = [self.graph[name] for name in node.inputs]
        if node.op == "dequantize":
            self.floats[node.name] = self._float(sources[0])
        elif node.grid is None:
            fused = [] if node.op == "activation" or node.activation == "none" else [node.activation]
            steps = [*arithmetic(node, self.graph), *map(activation, fused), *moves(node, self.graph)]
            tensors = [self._shielded(source, node) for source in sources] + self._weights(node)
            self.floats[node.name] = self._run(steps, tensors) if sources else "image"
        else:
            if node.op in MOVES:
                tensors = [self.codes[source.name] for source in sources]
            else:
                tensors = [self._quantized(node, sources)]
            zero = np.uint8(node.grid.zero_point + TO_UINT8)
            steps = moves(node, self.graph, zero)
            if node.op == "input" and self.widens:
                steps = [Step("Pad", {}, (widen(node), zero))]
            self.codes[node.name] = self._run(steps, tensors)

    def _quantized(self, node: Node, sources: list[Node]) -> str:
        """What ``node`` computes, rounded to its grid and cut off where its activation does."""
        assert node.grid is not None, node.name
        rectifies = node.activation in ("relu", "relu6")
        if node.op == "input":
            result = "image"
        else:
            tensors = [self._read(source, node) for source in sources] + self._weights(node)
            alone = node.op == "activation" and rectifies
            result = self._run([Step("Clip")] if alone else arithmetic(node, self.graph), tensors)
        result = self._append(Step("QuantizeLinear", {}, scale_and_zero(node)), [result])
        low, high = code_bounds(node.activation, node.grid) if rectifies else (-128, 127)
        if (low, high) == (-128, 127):
            return result
        bounds = (np.uint8(low + TO_UINT8), np.uint8(high + TO_UINT8))
        return self._append(Step("Clip", {}, bounds), [result])

    def _read(self, source: Node, node: Node) -> str:
        """The real values of ``source`` as an integer ``node`` reads them."""
        if node.op != "average_pool":
            return self._float(source)
        step = Step("DequantizeLinear", {}, scale_and_zero(node))
        return self._append(step, [self.codes[source.name]])

    def _ones(self, node: Node) -> list[str]:
        """The kernel of an average pool that is a convolution, in steps of one over its pixels."""
        kernel = self._initializer(np.ones((node.shape[2], 1, *node.window), np.int8))
        scale = np.float32(1 / prod(node.window))
        return [self._append(Step("DequantizeLinear", {}, (scale, np.int8(0))), [kernel])]

    def _shielded(self, source: Node, node: Node) -> str:
        """``source`` as a float ``node`` reads it.

        Between DequantizeLinear and QuantizeLinear ONNX Runtime would quantize a float kernel of
        its own accord. A Clip without bounds does nothing but stand between them.
        """
        result = self._float(source)
        return self._append(Step("Clip"), [result]) if source.op == "dequantize" and node.weights else result

    def _float(self, node: Node) -> str:
        """The float32 tensor of ``node``: behind its codes, a DequantizeLinear that all readers share."""
        if node.name not in self.floats:
            step = Step("DequantizeLinear", {}, scale_and_zero(node, exact=True))
            self.floats[node.name] = self._append(step, [self.codes[node.name]])
        return self.floats[node.name]

    def _weights(self, node: Node) -> list[str]:
        if node.op == "average_pool" and node.grid and sums_ones(node, self.graph[node.inputs[0]].shape):
            return self._ones(node)
        if not node.weights:
            return []
        kernel, bias = node.weights["kernel"], node.weights["bias"]
        if node.grid is not None:
            return self._integers(node, kernel, bias)
        return [self._constant(kernel, LAYOUTS[node.op]), self._constant(bias, (0,))]

    def _constant(self, weight: Weight, order: tuple[int, ...]) -> str:
        """A weight as its stored numbers, followed by what turns them into float32."""
        stored = self._initializer(weight.values.transpose(order), weight.bits)
        if weight.values.dtype == np.float32:
            return stored
        real = self._append(Step("Cast", {"to": self.onnx.TensorProto.FLOAT}), [stored])
        if weight.scale is None:
            return real
        # ONNX Runtime folds the two into a float32 constant when it loads the file. Behind a
        # DequantizeLinear it would quantize the activations too, and compute something else.
        shape = [-1 if index == weight.axis else 1 for index in order]
        return self._append(Step("Mul", {}, (weight.scale.reshape(shape),)), [real])

    def _integers(self, node: Node, kernel: Weight, bias: Weight) -> list[str]:
        """Kernel and bias behind a DequantizeLinear each.

        A zero point that is 0 may be left out, but without that of its kernel ONNX Runtime
        leaves a dense layer in float. The scales of the bias are products of two that the file
        holds already: the runtime multiplies them when it loads the file.
        """
        order, grid = LAYOUTS[node.op], self.graph[node.inputs[0]].grid
        assert kernel.scale is not None, node.name
        assert bias.scale is not None, node.name
        assert grid is not None, node.name
        values: Array = kernel.values
        if self.widens and self.graph.input.name in node.inputs:
            values = np.pad(values, ((0, 0), (0, 0), (0, int(widen(self.graph.input)[5])), (0, 0)))
        zeros: list[Array] = [np.zeros(len(kernel.scale), np.int8)] if node.op == "dense" else []
        if self.unsigned:
            values = (values.astype(np.int16) + TO_UINT8).astype(np.uint8)
            zeros = [np.full(len(kernel.scale), TO_UINT8, np.uint8)]
        axis = {} if order.index(kernel.axis) == 1 else {"axis": order.index(kernel.axis)}
        step = Step("DequantizeLinear", axis, (kernel.scale, *zeros))
        tensors = [self._append(step, [self._initializer(values.transpose(order))])]
        scale = np.float32(grid.scale)
        if np.array_equal(scale * kernel.scale, bias.scale):
            factor = self._append(Step("Mul", {}, (kernel.scale,)), [self._initializer(scale)])
        else:
            factor = self._initializer(bias.scale)
        inputs = [self._initializer(bias.values), factor]
        return [*tensors, self._append(Step("DequantizeLinear", {"axis": 0}), inputs)]

    def _run(self, steps: list[Step], tensors: list[str]) -> str:
        """The result of ``steps``; the first reads ``tensors``, each other what is before it."""
        for step in steps:
            tensors = [self._append(step, tensors)]
        return tensors[0]

    def _append(self, step: Step, tensors: list[str]) -> str:
        inputs = [*tensors, *(self._initializer(values) for values in step.constants)]
        output = next(self.names)
        self.nodes.append(self.onnx.helper.make_node(step.op, inputs, [output], **step.attributes))
        return output

    def _initializer(self, values: Array | np.generic, bits: int = 8) -> str:
        # np.ascontiguousarray would turn a scalar into shape (1,), which QLinearAdd refuses.
        values = np.array(values, order="C")
        key = (values.dtype.str, values.shape, bits, values.tobytes())
        if key not in self.stored:
            self.stored[key] = name = next(self.names)
            tensor = self.onnx.numpy_helper.from_array(values, name)
            if bits == 4:
                tensor.data_type, tensor.raw_data = self.onnx.TensorProto.INT4, pack(values)
            self.constants.append(tensor)
        return self.stored[key]
