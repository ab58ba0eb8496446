"""The float half of the numpy reference: every op in float32.

Weights take part with the real values of what is stored, so fp32, fp16, w8 and
w4 graphs, and the float nodes of mixed int8 graphs, are computed alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import Node
from edgebuild.graph.windows import SUMS, cropped, largest, padded, totals

__all__ = ["activate", "compute"]

Floats = npt.NDArray[np.float32]


def compute(node: Node, inputs: list[Floats]) -> Floats:
    """The tensor of ``node``, float32 ``(n, *node.shape)``, from those that it reads."""
    if node.op in SUMS:
        result = SUMS[node.op](node, inputs[0], node.weights["kernel"].real()) + node.weights["bias"].real()
    else:
        result = _OPS[node.op](node, inputs)
    return np.asarray(activate(result, node.activation), np.float32)


def activate(values: Floats, activation: str) -> Floats:
    """An activation function on float32 values; softmax is along the last axis."""
    return values if activation == "none" else _ACTIVATIONS[activation](values)


def _sigmoid(x: Floats) -> Floats:
    small = np.exp(-np.abs(x))  # of the absolute value, so that it cannot overflow
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small), np.float32)


def _hard_silu(x: Floats) -> Floats:
    """x · relu6(x + 3) / 6: Howard et al. 2019, "Searching for MobileNetV3", section 5.2."""
    return np.asarray(x * (np.clip(x + np.float32(3), 0, 6) * np.float32(1 / 6)))


def _softmax(x: Floats) -> Floats:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _average_pool(node: Node, inputs: list[Floats]) -> Floats:
    sums, counts = totals(node, inputs[0])
    return np.asarray(sums / counts)


def _global_average_pool(node: Node, inputs: list[Floats]) -> Floats:
    return np.asarray(inputs[0].mean(axis=(1, 2), dtype=np.float32).reshape(-1, *node.shape))


_ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "hard_silu": _hard_silu,
    "softmax": _softmax,
}

#: op without weights → its result, before the activation.
_OPS: Mapping[str, Callable[[Node, list[Floats]], Floats]] = {
    "add": lambda node, inputs: inputs[0] + inputs[1],
    "multiply": lambda node, inputs: inputs[0] * inputs[1],
    "concat": lambda node, inputs: np.concatenate(inputs, axis=-1),
    "max_pool": lambda node, inputs: largest(node, inputs[0]),
    "average_pool": _average_pool,
    "global_average_pool": _global_average_pool,
    "pad": lambda node, inputs: padded(node, inputs[0], 0),
    "crop": lambda node, inputs: cropped(node, inputs[0]),
    "activation": lambda node, inputs: inputs[0],
    "flatten": lambda node, inputs: inputs[0].reshape(-1, *node.shape),
    "expand": lambda node, inputs: inputs[0].reshape(-1, *node.shape),
}
