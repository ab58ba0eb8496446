"""ONNX: write a graph as an .onnx file, load it with ONNX Runtime.

int8 graphs are written as QuantizeLinear/DequantizeLinear pairs around float
operators, the form that ONNX Runtime fuses into integer kernels. Activations
are stored as uint8 (code + 128, zero point + 128: the same grid), because its
x86 kernels for int8 activations are slower and leave depthwise convolutions in
float. A ReLU whose zero is the lowest code needs no operator: saturation
does it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.graph.ir import Graph, Node, Weight, same_padding

__all__ = ["ONNXSession", "load", "unavailable_runtime", "write"]

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float32]

#: Quantization per channel needs 13; newer ones gain nothing and old runtimes lose.
OPSET = 17
IR_VERSION = 8
TO_UINT8 = 128

#: how a Keras kernel becomes an ONNX one: (out, in, kh, kw), (in, 1, kh, kw), (in, out)
LAYOUTS = {"conv2d": (3, 2, 0, 1), "depthwise_conv2d": (2, 3, 0, 1), "dense": (0, 1)}


def write(graph: Graph, path: Path) -> None:
    """Write ``graph``: input "image" float32 (batch, c, h, w), output "logits" float32 (batch, classes).

    The batch is free. Labels lie in the file's metadata as JSON.
    """
    path.write_bytes(_Writer(graph).model().SerializeToString(deterministic=True))


def load(path: Path, threads: int) -> ONNXSession:
    """Load ``path`` on the CPU.

    Raises:
        DataError: the file is missing or ONNX Runtime refuses it.
    """
    return ONNXSession(path, threads)


def unavailable_runtime() -> str | None:
    """ONNX Runtime runs wherever edgebuild does."""
    return None


class ONNXSession:
    """One file in ONNX Runtime."""

    def __init__(self, path: Path, threads: int, optimized: Path | None = None) -> None:
        """``optimized`` names a file to write the graph to that the runtime really executes."""
        import onnxruntime as ort
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        if not path.is_file():
            raise DataError(f"{path} does not exist; run dvc repro")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if optimized is not None:
            options.optimized_model_filepath = str(optimized)
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except (errors.Fail, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented) as error:
            raise DataError(f"ONNX Runtime refuses {path}: {error}") from None

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 ``(n, classes)``."""
        chunks = (images[start : start + 256] for start in range(0, len(images), 256))
        return np.concatenate([self.bind(chunk)() for chunk in chunks])

    def bind(self, image: Floats) -> Callable[[], object]:
        """A call that executes one inference on a batch."""
        feed = {"image": np.ascontiguousarray(image.transpose(0, 3, 1, 2), np.float32)}
        session = self._session
        return lambda: session.run(["logits"], feed)[0]


class _Writer:
    """Collects the nodes and constants of one ONNX graph."""

    def __init__(self, graph: Graph) -> None:
        import onnx

        self.onnx = onnx
        self.graph = graph
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.names: dict[str, str] = {}  # node → the float tensor that holds its result
        self.grids: dict[str, list[str]] = {}  # node → its scale and zero point

    def model(self) -> Any:
        helper, proto = self.onnx.helper, self.onnx.TensorProto
        for node in self.graph:
            self._add(node)
        height, width, channels = self.graph.input.shape
        image = helper.make_tensor_value_info("image", proto.FLOAT, ["batch", channels, height, width])
        logits = helper.make_tensor_value_info("logits", proto.FLOAT, ["batch", *self.graph.output.shape])
        graph = helper.make_graph(self.nodes, "edgebuild", [image], [logits], self.constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="edgebuild",
        )
        labels = json.dumps(self.graph.labels)
        helper.set_model_props(
            model, {"edgebuild.labels": labels, "edgebuild.precision": self.graph.precision}
        )
        return model

    def _add(self, node: Node) -> None:
        last = node is self.graph.output
        result = "logits" if last and node.grid is None else f"{node.name}.value"
        result = "image" if node.op == "input" else self._operator(node, result)
        if node.grid is not None:
            result = self._on_grid(
                node, result, "logits" if last else f"{node.name}.real", f"{node.name}.codes"
            )
        self.names[node.name] = result

    def _operator(self, node: Node, result: str) -> str:
        inputs = [self.names[name] for name in node.inputs]
        if node.op in ("flatten", "global_average_pool"):
            return self._to_features(node, inputs[0], result)
        needs_clip = node.activation != "none" and not _saturates(node)
        raw = f"{node.name}.sum" if needs_clip else result
        if node.op in LAYOUTS:
            inputs += [self._constant(node, "kernel"), self._constant(node, "bias")]
        self._append(*_operator(node, inputs, self.graph), inputs, raw)
        if needs_clip and node.activation == "relu":
            self._append("Relu", {}, [raw], result)
        elif needs_clip:
            bounds = [self._initializer(f"{node.name}.{name}", np.float32(value)) for name, value in _RELU6]
            self._append("Clip", {}, [raw, *bounds], result)
        return result

    def _to_features(self, node: Node, source: str, result: str) -> str:
        """From (n, c, h, w) to (n, features), in the order of the graph's (h, w, c)."""
        if node.op == "global_average_pool":
            self._append("GlobalAveragePool", {}, [source], f"{node.name}.map")
        else:
            self._append("Transpose", {"perm": [0, 2, 3, 1]}, [source], f"{node.name}.map")
        source = f"{node.name}.map"
        if node.grid is not None:
            source = self._on_grid(node, source, f"{source}.real", f"{source}.codes")
        self._append("Flatten", {"axis": 1}, [source], result)
        return result

    def _on_grid(self, node: Node, source: str, result: str, between: str) -> str:
        """Round ``source`` to the node's grid: QuantizeLinear to ``between``, DequantizeLinear to ``result``."""
        assert node.grid is not None
        if node.name not in self.grids:
            self.grids[node.name] = [
                self._initializer(f"{node.name}.scale", np.float32(node.grid.scale)),
                self._initializer(f"{node.name}.zero_point", np.uint8(node.grid.zero_point + TO_UINT8)),
            ]
        self._append("QuantizeLinear", {}, [source, *self.grids[node.name]], between)
        self._append("DequantizeLinear", {}, [between, *self.grids[node.name]], result)
        return result

    def _constant(self, node: Node, key: str) -> str:
        """A weight as its stored numbers, followed by what turns them into float32."""
        weight, name = node.weights[key], f"{node.name}.{key}"
        order = LAYOUTS[node.op] if key == "kernel" else (0,)
        values = weight.values.transpose(order)
        if weight.values.dtype == np.int8 and self.graph.precision == "int8":
            values = (values.astype(np.int16) + TO_UINT8).astype(np.uint8)
        stored = self._initializer(name, values)
        if weight.values.dtype == np.float32:
            return stored
        if weight.values.dtype == np.float16:
            self._append("Cast", {"to": self.onnx.TensorProto.FLOAT}, [stored], f"{name}.real")
        else:
            self._dequantize(weight, stored, values.dtype, order)
        return f"{name}.real"

    def _dequantize(self, weight: Weight, stored: str, kind: np.dtype, order: tuple[int, ...]) -> None:
        assert weight.scale is not None
        if self.graph.precision == "w8":
            # ONNX Runtime folds these two into a float32 constant when it loads the file. Behind a
            # DequantizeLinear it would quantize the activations too, and compute something else.
            shape = [-1 if index == weight.axis else 1 for index in order]
            scale = self._initializer(f"{stored}.scale", weight.scale.reshape(shape))
            self._append("Cast", {"to": self.onnx.TensorProto.FLOAT}, [stored], f"{stored}.float")
            self._append("Mul", {}, [f"{stored}.float", scale], f"{stored}.real")
            return
        scale = self._initializer(f"{stored}.scale", weight.scale)
        zero = self._initializer(
            f"{stored}.zero_point", np.full(len(weight.scale), TO_UINT8 if kind == np.uint8 else 0, kind)
        )
        axis = order.index(weight.axis) if len(order) > 1 else 0
        self._append("DequantizeLinear", {"axis": axis}, [stored, scale, zero], f"{stored}.real")

    def _append(self, op: str, attributes: dict[str, Any], inputs: list[str], output: str) -> None:
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [output], **attributes))

    def _initializer(self, name: str, values: Array | np.generic) -> str:
        # np.ascontiguousarray would turn a scalar into shape (1,), which QLinearAdd refuses.
        self.constants.append(self.onnx.numpy_helper.from_array(np.array(values, order="C"), name))
        return name


_RELU6 = (("low", 0.0), ("high", 6.0))


def _saturates(node: Node) -> bool:
    """Does rounding to the grid already cut off what the activation would?"""
    grid = node.grid
    if grid is None or grid.zero_point != -128:
        return False
    return node.activation == "relu" or 255 * grid.scale <= 6.0


def _operator(node: Node, inputs: list[str], graph: Graph) -> tuple[str, dict[str, Any]]:
    if node.op in ("conv2d", "depthwise_conv2d"):
        height, width, channels = graph[node.inputs[0]].shape
        kernel = node.weights["kernel"].values.shape[:2]
        pads = [(0, 0), (0, 0)]
        if node.padding == "same":
            pads = [same_padding(*axis) for axis in zip((height, width), kernel, node.strides, strict=True)]
        return "Conv", {
            "kernel_shape": list(kernel),
            "strides": list(node.strides),
            "pads": [pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
            "group": channels if node.op == "depthwise_conv2d" else 1,
        }
    return {"dense": "Gemm", "add": "Add"}[node.op], {}
