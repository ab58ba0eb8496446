"""Fewer nodes that compute the same: what freezing does after translating layer by layer.

Affine maps are folded into the convolution or dense layer before them (Jacob et
al. 2018, section 3.2), ReLU becomes part of the node before it, zero padding
becomes "same" where it is exactly that. Nothing is approximated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.graph.calls import unique
from edgebuild.graph.ir import CHANNEL_AXIS, FUSED, Node, Weight, same_padding

__all__ = ["simplify"]

Doubles = npt.NDArray[np.float64]


def simplify(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Nodes of the graph from those of :mod:`edgebuild.graph.translate`, with float32 weights.

    Raises:
        GraphError: folded weights exceed the range of float32.
    """
    return tuple(_rounded(node) for node in _lowered(_unpadded(_folded(nodes))))


def _folded(nodes: Sequence[Node]) -> list[Node]:
    readers = Counter(name for node in nodes for name in node.inputs)
    holders: dict[str, str] = {}
    done: dict[str, Node] = {}
    for node in nodes:
        inputs = tuple(holders[name] for name in node.inputs)
        source = done[inputs[0]] if len(inputs) == 1 and readers[node.inputs[0]] == 1 else None
        folded = None if source is None or source.activation != "none" else _fold(source, node)
        made = replace(node, inputs=inputs) if folded is None else folded
        done[made.name] = made
        holders[node.name] = made.name
    return list(done.values())


def _fold(source: Node, node: Node) -> Node | None:
    """``source`` with ``node``, its only reader, made part of it; None where that cannot be."""
    weighted = (*CHANNEL_AXIS, "affine")
    if node.op == "affine" and source.op in weighted:
        (kernel, bias), (scale, offset) = _doubles(source), _doubles(node)
        axis = source.weights["kernel"].axis
        shape = [1] * kernel.ndim
        shape[axis] = -1
        weights = {
            "kernel": Weight(kernel * scale.reshape(shape), axis=axis),
            "bias": Weight(bias * scale + offset),
        }
        return replace(source, weights=weights)
    if node.op == "activation" and node.activation in FUSED and source.op in (*weighted, "add"):
        return replace(source, activation=node.activation)
    return None


def _doubles(node: Node) -> tuple[Doubles, Doubles]:
    kernel, bias = (np.asarray(node.weights[key].values, np.float64) for key in ("kernel", "bias"))
    return kernel, bias


def _unpadded(nodes: Sequence[Node]) -> list[Node]:
    """Zero padding before a "valid" window is left to "same" where TensorFlow's "same" is exactly it."""
    known = {node.name: node for node in nodes}
    made = []
    for node in nodes:
        pad = known[node.inputs[0]] if node.inputs else node
        if pad.op == "pad" and node.padding == "valid" and _is_same(known[pad.inputs[0]], pad, node):
            node = replace(node, inputs=pad.inputs, padding="same")
        made.append(node)
    read = {name for node in made for name in node.inputs}
    return [node for node in made if node.op != "pad" or node.name in read or node is made[-1]]


def _is_same(image: Node, pad: Node, node: Node) -> bool:
    if node.op in ("conv2d", "depthwise_conv2d"):
        window = node.weights["kernel"].values.shape[:2]
    elif node.op == "max_pool" and image.activation in ("relu", "relu6"):
        window = node.window  # zeros never win against what a ReLU lets through
    else:
        return False
    sides = zip(image.shape[:2], window, node.strides, strict=True)
    return pad.pads == tuple(same_padding(*side) for side in sides)


def _lowered(nodes: Sequence[Node]) -> list[Node]:
    """Affine maps that stayed are 1×1 depthwise convolutions, of vectors too."""
    taken = {node.name for node in nodes}
    made = []
    for node in nodes:
        if node.op != "affine":
            made.append(node)
            continue
        kernel = node.weights["kernel"].values.reshape(1, 1, -1, 1)
        weights = {**node.weights, "kernel": Weight(kernel, axis=CHANNEL_AXIS["depthwise_conv2d"])}
        node = replace(node, op="depthwise_conv2d", weights=weights)
        if len(node.shape) == 1:
            tall = Node(unique(f"{node.name}_map", taken), "expand", node.inputs, (1, 1, *node.shape))
            scaled = replace(
                node, name=unique(f"{node.name}_affine", taken), inputs=(tall.name,), shape=tall.shape
            )
            made += [tall, scaled, Node(node.name, "flatten", (scaled.name,), node.shape)]
        else:
            made.append(node)
    return made


def _rounded(node: Node) -> Node:
    weights = {}
    for key, weight in node.weights.items():
        with np.errstate(over="ignore"):
            values = weight.values.astype(np.float32)
        if not np.isfinite(values).all():
            raise GraphError(
                f"layer {node.name!r} cannot be exported: its {key} exceeds the range of float32 when the layers "
                f"after it are folded into it; the training diverged"
            )
        weights[key] = replace(weight, values=values)
    return replace(node, weights=weights)
