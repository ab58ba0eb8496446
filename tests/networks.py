"""Small random networks, made without TensorFlow, that hold every op of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.compress.quantize import to_fp16, to_int8, to_w4, to_w8
from edgebuild.compress.ranges import observe
from edgebuild.graph.ir import CHANNEL_AXIS, Graph, Node, Weight

LABELS = ("zero", "one", "two", "three")


class Maker:
    """Collects nodes; every method adds one and returns its name. Shapes are given, not inferred."""

    def __init__(self, seed: int, shape: tuple[int, ...], gain: float = 1) -> None:
        self.generator = np.random.default_rng(seed)
        self.gain = gain
        self.nodes = [Node("image", "input", (), shape)]

    def add(self, name: str, op: str, inputs: str, shape: tuple[int, ...], **fields: Any) -> str:
        """``inputs`` are names apart by spaces."""
        self.nodes.append(Node(name, op, tuple(inputs.split()), shape, **fields))
        return name

    def weighted(
        self, name: str, op: str, source: str, shape: tuple[int, ...], size: int = 1, **fields: Any
    ) -> str:
        """A convolution with a square kernel of ``size``, or a dense layer."""
        before = next(node for node in self.nodes if node.name == source).shape
        layout = {
            "conv2d": (size, size, before[-1], shape[-1]),
            "depthwise_conv2d": (size, size, before[-1], 1),
            "dense": (before[-1], shape[-1]),
        }[op]
        deviation = self.gain / np.sqrt(np.prod(layout[:-1]))
        kernel = self.generator.normal(0, deviation, layout).astype(np.float32)
        bias = self.generator.normal(0, 0.1, shape[-1]).astype(np.float32)
        weights = {"kernel": Weight(kernel, axis=CHANNEL_AXIS[op]), "bias": Weight(bias)}
        return self.add(name, op, source, shape, weights=weights, **fields)

    def graph(self) -> Graph:
        return Graph(tuple(self.nodes), "fp32", LABELS)


def network(seed: int = 0, size: int = 9, channels: int = 2, flat: bool = False, relu: str = "relu") -> Graph:
    """fp32: strided conv, depthwise, pointwise, residual add, then pooling or flattening, dense.

    ``size`` 9 with stride 2 makes "same" padding asymmetric.
    """
    make, half = Maker(seed, (size, size, channels)), -(-size // 2)
    shape = (half, half, 6)
    make.weighted("stem", "conv2d", "image", shape, 3, strides=(2, 2), padding="same", activation=relu)
    make.weighted("depth", "depthwise_conv2d", "stem", shape, 3, padding="same", activation=relu)
    make.weighted("point", "conv2d", "depth", shape)
    make.add("join", "add", "stem point", shape, activation=relu)
    make.add("pool", "flatten" if flat else "global_average_pool", "join", (half * half * 6 if flat else 6,))
    make.weighted("last", "dense", "pool", (4,))
    return make.graph()


def branches(seed: int = 0) -> Graph:
    """fp32, as in Inception and NASNet: branches of every pooling, pad and crop, joined twice."""
    make, wide, small = Maker(seed, (11, 9, 3)), (11, 9, 4), (6, 5, 4)
    make.weighted("stem", "conv2d", "image", wide, 3, padding="same", activation="relu")
    make.weighted("point", "conv2d", "stem", (11, 9, 6), activation="relu6")
    make.add("tops", "max_pool", "stem", wide, window=(3, 3), padding="same")
    make.add("means", "average_pool", "stem", wide, window=(3, 2), padding="same")
    make.add("shifted", "pad", "stem", (12, 10, 4), pads=((0, 1), (0, 1)))
    make.add("cut", "crop", "shifted", wide, pads=((1, 0), (1, 0)))
    make.add("all", "concat", "point tops means cut", (11, 9, 18))
    make.add("framed", "pad", "all", (13, 11, 18), pads=((1, 1), (1, 1)))
    make.weighted("reduced", "conv2d", "framed", small, 3, strides=(2, 2), activation="none")
    make.add("low", "max_pool", "cut", small, window=(3, 3), strides=(2, 2), padding="same")
    make.add("thin", "average_pool", "means", small, window=(1, 1), strides=(2, 2))
    make.add("both", "add", "low thin", small, activation="relu6")
    make.add("pair", "concat", "reduced both", (6, 5, 8))
    make.add("few", "average_pool", "pair", (3, 2, 8), window=(2, 3), strides=(2, 2))
    make.add("flat", "flatten", "few", (48,))
    make.weighted("last", "dense", "flat", (4,))
    return make.graph()


def gated(seed: int = 0) -> Graph:
    """fp32, as in EfficientNet: an affine input, silu, squeeze-excite in two forms, tanh, softmax."""
    make, shape = Maker(seed, (8, 10, 3), 2.5), (8, 10, 5)
    make.weighted("scaled", "depthwise_conv2d", "image", (8, 10, 3))
    make.weighted("stem", "conv2d", "scaled", shape, 3, padding="same")
    make.add("stem_gate", "activation", "stem", shape, activation="sigmoid")
    make.add("silu", "multiply", "stem stem_gate", shape)
    make.add("squeeze", "global_average_pool", "silu", (1, 1, 5))
    make.weighted("less", "conv2d", "squeeze", (1, 1, 3), activation="relu")
    make.weighted("more", "conv2d", "less", (1, 1, 5))
    make.add("gate", "activation", "more", (1, 1, 5), activation="sigmoid")
    make.add("excited", "multiply", "silu gate", shape)
    make.weighted("depth", "depthwise_conv2d", "excited", shape, 3, padding="same")
    make.add("rectified", "activation", "depth", shape, activation="relu")
    make.add("clipped", "activation", "depth", shape, activation="relu6")
    make.add("squeeze2", "global_average_pool", "rectified", (5,))
    make.weighted("more2", "dense", "squeeze2", (5,))
    make.add("gate2", "activation", "more2", (5,), activation="tanh")
    make.add("tall", "expand", "gate2", (1, 1, 5))
    make.add("excited2", "multiply", "tall clipped", shape)
    make.add("residual", "add", "excited2 silu", shape)
    make.add("pool", "global_average_pool", "residual", (5,))
    make.weighted("last", "dense", "pool", (4,))
    make.add("shares", "activation", "last", (4,), activation="softmax")
    return make.graph()


def mobile(seed: int = 0) -> Graph:
    """fp32, as MobileNetV3 ends: hard_silu, a 5×5 depthwise of odd steps, logits from a convolution."""
    make, shape = Maker(seed, (10, 10, 1), 2.5), (5, 5, 6)
    make.weighted("stem", "conv2d", "image", (10, 10, 6), 3, padding="same")
    make.add("bent", "activation", "stem", (10, 10, 6), activation="hard_silu")
    make.weighted("depth", "depthwise_conv2d", "bent", shape, 5, strides=(2, 2), padding="same")
    make.weighted("sum", "depthwise_conv2d", "depth", shape, activation="relu6")
    make.weighted("share", "depthwise_conv2d", "sum", shape)
    make.add("gated", "multiply", "depth share", shape)
    make.weighted("point", "conv2d", "gated", shape)
    make.add("join", "add", "point gated", shape)
    make.add("pool", "global_average_pool", "join", (1, 1, 6))
    make.weighted("wide", "conv2d", "pool", (1, 1, 8))
    make.add("wide_bent", "activation", "wide", (1, 1, 8), activation="hard_silu")
    make.weighted("logits", "conv2d", "wide_bent", (1, 1, 4))
    make.add("last", "flatten", "logits", (4,))
    return make.graph()


#: Together they hold every op and every activation; each can be lowered to every precision.
NETWORKS: Mapping[str, Callable[[], Graph]] = {
    "network": network,
    "flat": lambda: network(flat=True, relu="relu6"),
    "branches": branches,
    "gated": gated,
    "mobile": mobile,
}


def images(graph: Graph, count: int = 64, seed: int = 1) -> npt.NDArray[np.float32]:
    """Random images in [0, 1], float32 ``(count, h, w, c)``."""
    return np.random.default_rng(seed).random((count, *graph.input.shape)).astype(np.float32)


def lowered(graph: Graph, precision: str) -> Graph:
    """``graph`` in another precision; int8 is calibrated on :func:`images`."""
    if precision == "fp32":
        return graph
    if precision == "int8":
        return to_int8(graph, observe(graph, images(graph), ranges="minmax", percentile=99.9))
    return {"fp16": to_fp16, "w8": to_w8, "w4": to_w4}[precision](graph)


def with_float(integer: Graph, graph: Graph, name: str) -> Graph:
    """The int8 graph ``integer`` with node ``name`` as it is in the float ``graph``: a mixed graph.

    Its inputs are dequantized, its result quantized onto the grid that it had.
    """
    nodes: list[Node] = []
    for node in integer:
        if node.name != name:
            inputs = tuple(f"{name}_codes" if source == name else source for source in node.inputs)
            nodes.append(replace(node, inputs=inputs))
            continue
        for source in dict.fromkeys(node.inputs):
            nodes.append(Node(f"{name}_{source}", "dequantize", (source,), integer[source].shape))
        nodes.append(replace(graph[name], inputs=tuple(f"{name}_{source}" for source in node.inputs)))
        nodes.append(Node(f"{name}_codes", "quantize", (name,), node.shape, grid=node.grid))
    return replace(integer, nodes=tuple(nodes))
