"""One function per op of the graph: what it becomes in MIL, without its activation and its grid.

Tensors are (batch, channels, height, width) or (batch, features). "Same"
padding is written out as pixels, so that it is left to nobody's interpretation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgebuild.errors import GraphError
from edgebuild.graph.ir import FUSED, Node, same_padding
from edgebuild.mil.storage import Building, kernel, numbers

__all__ = ["OPERATIONS", "fused"]

#: (where to add, node, its inputs, name of the result) → the result.
Operation = Callable[[Building, Node, list[Any], str], Any]


def fused(to: Building, node: Node, x: Any, name: str) -> Any:
    """The activation that is part of ``node``, applied to ``x``.

    Raises:
        GraphError: Core ML has it only as an op of its own.
    """
    if node.activation not in FUSED:
        raise GraphError(f"{node.name}: activation must be none, relu or relu6, found {node.activation!r}")
    return x if node.activation == "none" else getattr(to.mb, node.activation)(x=x, name=to.unique(name))


def _conv(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    weight = node.weights["kernel"].values
    return to.mb.conv(
        x=sources[0],
        weight=kernel(to, node, to.unique(f"{node.name}_kernel")),
        bias=numbers(to, node, node.weights["bias"]),
        strides=list(node.strides),
        pad_type="custom",
        pad=_padding(node, sources[0], (weight.shape[0], weight.shape[1])),
        groups=sources[0].shape[1] if node.op == "depthwise_conv2d" else 1,
        name=name,
    )


def _dense(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    weight = kernel(to, node, to.unique(f"{node.name}_kernel"))
    return to.mb.linear(x=sources[0], weight=weight, bias=numbers(to, node, node.weights["bias"]), name=name)


def _add(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    return to.mb.add(x=sources[0], y=sources[1], name=name)


def _multiply(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    return to.mb.mul(x=sources[0], y=sources[1], name=name)


def _concat(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    return to.mb.concat(values=sources, axis=1, name=name)


def _max_pool(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    return to.mb.max_pool(x=sources[0], name=name, **_window(node, sources[0]))


def _average_pool(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    return to.mb.avg_pool(
        x=sources[0], exclude_padding_from_average=True, name=name, **_window(node, sources[0])
    )


def _global_average_pool(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    return to.mb.reduce_mean(x=sources[0], axes=[2, 3], keep_dims=len(node.shape) == 3, name=name)


def _pad(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    (top, bottom), (left, right) = node.pads
    pixels = [0, 0, 0, 0, top, bottom, left, right]
    return to.mb.pad(x=sources[0], pad=pixels, mode="constant", constant_val=to.kind(0), name=name)


def _crop(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    (top, _), (left, _) = node.pads
    whole = [True, True, False, False]  # batch and channels
    return to.mb.slice_by_index(
        x=sources[0],
        begin=[0, 0, top, left],
        end=[0, 0, top + node.shape[0], left + node.shape[1]],
        begin_mask=whole,
        end_mask=whole,
        name=name,
    )


def _activation(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    x, mb = sources[0], to.mb
    if node.activation == "hard_silu":  # x · relu6(x + 3) / 6
        gate = mb.sigmoid_hard(x=x, alpha=to.kind(1 / 6), beta=to.kind(0.5), name=to.unique(f"{name}_gate"))
        return mb.mul(x=x, y=gate, name=name)
    if node.activation == "softmax":
        return mb.softmax(x=x, axis=1, name=name)
    if node.activation in ("relu", "relu6", "sigmoid", "tanh"):
        return getattr(mb, node.activation)(x=x, name=name)
    raise GraphError(f"{node.name}: Core ML export does not know activation {node.activation!r}")


def _flatten(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    x = sources[0]
    if x.shape[2:] != (1, 1):
        # The graph flattens (height, width, channels), and the weights that follow are in that order.
        x = to.mb.transpose(x=x, perm=[0, 2, 3, 1], name=to.unique(f"{name}_channels_last"))
    rows = 1 if to.batch == 1 else -1
    return to.mb.reshape(x=x, shape=[rows, *node.shape], name=name)


def _expand(to: Building, node: Node, sources: list[Any], name: str) -> Any:
    return to.mb.expand_dims(x=sources[0], axes=[2, 3], name=name)


def _window(node: Node, x: Any) -> dict[str, Any]:
    return {
        "kernel_sizes": list(node.window),
        "strides": list(node.strides),
        "pad_type": "custom",
        "pad": _padding(node, x, node.window),
    }


def _padding(node: Node, x: Any, window: tuple[int, int]) -> list[int]:
    """Pixels above, below, left, right."""
    if node.padding == "valid":
        return [0, 0, 0, 0]
    rows = same_padding(x.shape[2], window[0], node.strides[0])
    columns = same_padding(x.shape[3], window[1], node.strides[1])
    return [*rows, *columns]


OPERATIONS: Mapping[str, Operation] = {
    "conv2d": _conv,
    "depthwise_conv2d": _conv,
    "dense": _dense,
    "add": _add,
    "multiply": _multiply,
    "concat": _concat,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_average_pool": _global_average_pool,
    "pad": _pad,
    "crop": _crop,
    "activation": _activation,
    "flatten": _flatten,
    "expand": _expand,
}
