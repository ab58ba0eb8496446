"""Writes .onnx files for tests, node by node, in PyTorch's order of axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

#: The versions of the file format that go with opsets 9 to 23.
IR_VERSION = 8


class Net:
    """Every method adds one operator and returns the name of what it makes."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        made = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [made], name=name or made, **attributes))
        return made

    def constant(self, values: Any, name: str = "") -> str:
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def numbers(self, *shape: int, name: str = "") -> str:
        """Random float32 weights that keep the size of what they multiply."""
        scale = np.prod(shape[1:]) ** -0.5
        return self.constant((self.generator.normal(0, scale, shape)).astype(np.float32), name)

    def conv(self, source: str, inputs: int, outputs: int, side: int = 3, **attributes: Any) -> str:
        kernel = self.numbers(outputs, inputs // attributes.get("group", 1), side, side)
        attributes.setdefault("kernel_shape", [side, side])
        return self.add("Conv", source, kernel, self.numbers(outputs), **attributes)

    def linear(self, source: str, inputs: int, outputs: int) -> str:
        return self.add("Gemm", source, self.numbers(outputs, inputs), self.numbers(outputs), transB=1)

    def write(
        self, path: Path, output: str, dims: Sequence[Any], opset: int = 17, kind: int = TensorProto.FLOAT
    ) -> Path:
        """To ``path``; ``dims`` are those of the input "image", strings where they are open."""
        image = helper.make_tensor_value_info("image", kind, list(dims))
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", "outputs"])
        graph = helper.make_graph(self.nodes, "net", [image], [result], self.constants)
        opsets = [helper.make_opsetid("", opset)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION), path)
        return path


def predicted(path: Path, images: np.ndarray) -> np.ndarray:
    """What ONNX Runtime computes for images in the file's own order of axes."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {session.get_inputs()[0].name: images})[0]
    return result


def random_images(shape: Sequence[int], count: int = 3, seed: int = 0) -> np.ndarray:
    """Positive and negative, float32 ``(count, *shape)``."""
    return np.random.default_rng(seed).normal(0, 1, (count, *shape)).astype(np.float32)
