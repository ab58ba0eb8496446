"""Small random networks, made without TensorFlow, that hold every op of the graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebuild.compress.quantize import to_fp16, to_int8, to_w8
from edgebuild.compress.ranges import observe
from edgebuild.graph.ir import Graph, Node, Weight

LABELS = ("zero", "one", "two", "three")


def network(seed: int = 0, size: int = 9, channels: int = 2, flat: bool = False, relu: str = "relu") -> Graph:
    """fp32: strided conv, depthwise, pointwise, residual add, then pooling or flattening, dense.

    ``size`` 9 with stride 2 makes "same" padding asymmetric.
    """
    generator = np.random.default_rng(seed)

    def weights(*shape: int, out: int, axis: int) -> dict[str, Weight]:
        kernel = generator.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape).astype(np.float32)
        bias = generator.normal(0, 0.1, out).astype(np.float32)
        return {"kernel": Weight(kernel, axis=axis), "bias": Weight(bias)}

    half = -(-size // 2)
    stem = Node(
        "stem",
        "conv2d",
        ("image",),
        (half, half, 6),
        (2, 2),
        "same",
        relu,
        weights(3, 3, channels, 6, out=6, axis=3),
    )
    depth = Node(
        "depth", "depthwise_conv2d", ("stem",), (half, half, 6), (1, 1), "same", relu,
        weights(3, 3, 6, 1, out=6, axis=2),
    )  # fmt: skip
    point = Node(
        "point",
        "conv2d",
        ("depth",),
        (half, half, 6),
        (1, 1),
        "valid",
        "none",
        weights(1, 1, 6, 6, out=6, axis=3),
    )
    join = Node("join", "add", ("stem", "point"), (half, half, 6), activation=relu)
    features = half * half * 6 if flat else 6
    pool = Node("pool", "flatten" if flat else "global_average_pool", ("join",), (features,))
    last = Node("last", "dense", ("pool",), (4,), weights=weights(features, 4, out=4, axis=1))
    image = Node("image", "input", (), (size, size, channels))
    return Graph((image, stem, depth, point, join, pool, last), "fp32", LABELS)


def images(graph: Graph, count: int = 64, seed: int = 1) -> npt.NDArray[np.float32]:
    """Random images in [0, 1], float32 ``(count, h, w, c)``."""
    return np.random.default_rng(seed).random((count, *graph.input.shape)).astype(np.float32)


def lowered(graph: Graph, precision: str) -> Graph:
    """``graph`` in another precision; int8 is calibrated on :func:`images`."""
    if precision == "fp32":
        return graph
    if precision == "int8":
        return to_int8(graph, observe(graph, images(graph), ranges="minmax", percentile=99.9))
    return {"fp16": to_fp16, "w8": to_w8}[precision](graph)
