"""Collects the nodes of a network that is being read from a file.

Weights are float64 and there is the op "affine", as between
:mod:`edgebuild.graph.translate` and :mod:`edgebuild.graph.simplify`, which
finishes both.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph.calls import unique
from edgebuild.graph.ir import Node, same_padding
from edgebuild.graph.shapes import shape_of
from edgebuild.importers.layout import Refused, Tensor, arranged, flat_order
from edgebuild.importers.weights import filled, weights_of

__all__ = ["Network", "Pads"]

Array = npt.NDArray[Any]
#: Pixels of zeros around a map, ((top, bottom), (left, right)), or TensorFlow's "same".
Pads = tuple[tuple[int, int], tuple[int, int]] | str

#: Activations that never give a negative number, and ops that keep it so.
_POSITIVE = ("relu", "relu6", "sigmoid", "softmax")
_KEEPS_SIGN = frozenset(
    ("add", "multiply", "concat", "max_pool", "average_pool", "global_average_pool", "pad", "crop", "flatten")
)


class Network:
    """Nodes in the order in which they were added; every method that adds returns what it made.

    What is read is a :class:`Tensor`, with axes as the file has them: maps have
    been :func:`arranged` before, so that their letters say what is what.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._taken: set[str] = set()
        self._views: dict[tuple[str, str], Tensor] = {}

    def input(self, name: str, shape: tuple[int, ...], axes: str, batch: int) -> Tensor:
        """The image, as the file's input with ``axes`` has it; "nc" is the map flattened row by row."""
        node = Node(self._name(name), "input", (), shape)
        self.nodes[node.name] = node
        image = Tensor(node.name, shape, "nhwc" if axes == "nc" else axes, batch)
        return self.flat(f"{name}_flat", image) if axes == "nc" else image

    def activation(self, name: str, x: Tensor, function: str) -> Tensor:
        """One of the graph's functions; or "hard_sigmoid", relu6(x + 3) / 6."""
        if function == "hard_sigmoid":
            return self.clipped(name, self.affine(f"{name}_scale", x, 1 / 6, 0.5), 0.0, 1.0)
        if function in ("softmax", "log_softmax") and (x.order is not None or prod(x.sides[:2]) != 1):
            raise Refused("it must be over the outputs of the network")
        return self._add(name, "activation", x, x.shape, activation=function)

    def clipped(self, name: str, x: Tensor, low: float, high: float) -> Tensor:
        """The numbers between ``low`` and ``high``; a finite pair other than (0, 6) is a relu6 of an affine map."""
        if (low, high) in ((0.0, 6.0), (0.0, np.inf)):
            return self.activation(name, x, "relu6" if high == 6 else "relu")
        if not (np.isfinite((low, high)).all() and low < high):
            raise Refused(f"it must clip to at least 0, or to two finite bounds, found {low} and {high}")
        factor = 6 / (high - low)
        moved = self.affine(f"{name}_in", x, factor, -low * factor)
        return self.affine(name, self.activation(f"{name}_relu6", moved, "relu6"), 1 / factor, low)

    def affine(self, name: str, x: Tensor, scale: Any, offset: Any) -> Tensor:
        """``x * scale + offset``, numbers or float64 ``(channels,)`` in the order of the node."""
        numbers = {"kernel": scale, "bias": offset}
        spread = {
            key: np.broadcast_to(np.asarray(value, np.float64), x.shape[-1:]).copy()
            for key, value in numbers.items()
        }
        return self._add(name, "affine", x, x.shape, weights=weights_of(spread))

    def conv2d(
        self, name: str, x: Tensor, kernel: Array, bias: Array | None, strides: tuple[int, int], pads: Pads
    ) -> Tensor:
        """A convolution with a kernel (kh, kw, in, out)."""
        return self._convolution("conv2d", name, x, kernel, bias, strides, pads)

    def depthwise(
        self, name: str, x: Tensor, kernel: Array, bias: Array | None, strides: tuple[int, int], pads: Pads
    ) -> Tensor:
        """A depthwise convolution with a kernel (kh, kw, channels, 1)."""
        return self._convolution("depthwise_conv2d", name, x, kernel, bias, strides, pads)

    def dense(self, name: str, x: Tensor, kernel: Array, bias: Array | None) -> Tensor:
        """A matrix product over the last axis of the file, kernel (in, out): of a map a 1×1 convolution."""
        if x.axes[-1:] != "c" and x.size("c") == 1 and prod(x.sides) == x.dims[-1]:
            x = self.flat(f"{name}_flat", x)
        elif x.axes[-1:] != "c":
            raise Refused(f"it must multiply the channels, but the last axis of {x.dims[1:]} is another one")
        if kernel.shape[0] != x.size("c"):
            raise Refused(f"its kernel {kernel.shape} does not fit {x.size('c')} features")
        if prod(x.sides[:2]) != 1:
            return self.conv2d(name, x, kernel[None, None], bias, (1, 1), ((0, 0), (0, 0)))
        x = self.vector(x)
        if x.order is not None:
            rows = np.empty_like(kernel)
            rows[x.order] = kernel
            kernel, x = rows, replace(x, order=None)
        return self._add(name, "dense", x, None, weights=filled("dense", kernel, bias))

    def add(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """The sum of two tensors of one shape."""
        x, y = self._paired(x, y)
        if x.shape != y.shape:
            raise Refused(f"it must add tensors of one shape, found {x.dims[1:]} and {y.dims[1:]}")
        return self._add(name, "add", (x, y), x.shape)

    def multiply(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """The product of two tensors of one shape, or of a map and one number for each of its channels."""
        x, y = self._paired(x, y)
        larger = x if prod(x.shape) >= prod(y.shape) else y
        return self._add(name, "multiply", (x, y), None, like=larger)

    def concat(self, name: str, tensors: list[Tensor], axis: int) -> Tensor:
        """Tensors joined along their channels, which the file has on ``axis``."""
        first = tensors[0]
        same = [arranged(tensor, first.axes) for tensor in tensors]
        if len(same) == 1:
            return first
        if first.axes[axis] != "c":
            raise Refused(f"it must join channels, but joins axis {axis} of {first.dims}")
        if any(len(tensor.shape) == 3 for tensor in same):
            same = [self.map(tensor) for tensor in same]
        order = None
        if any(tensor.order is not None for tensor in same):
            starts = np.cumsum([0, *(tensor.size("c") for tensor in same)])
            orders = (np.arange(t.size("c")) if t.order is None else t.order for t in same)
            order = np.concatenate([start + each for start, each in zip(starts, orders, strict=False)])
        return replace(self._add(name, "concat", tuple(same), None), order=order)

    def pool(
        self, name: str, op: str, x: Tensor, window: tuple[int, int], strides: tuple[int, int], pads: Pads
    ) -> Tensor:
        """A "max_pool", which padding never wins; or an "average_pool", which counts zeros of ``pads``."""
        x = self.map(x)
        if isinstance(pads, tuple) and any(map(any, pads)):
            same = tuple(same_padding(*side) for side in zip(x.shape[:2], window, strides, strict=True))
            if op == "max_pool" and pads == same:
                pads = "same"
            elif op == "max_pool" and not self._never_negative(x.node):
                raise Refused(
                    f"its padding {pads} is not TensorFlow's {same}, and zeros could win against what it reads; "
                    f"put it behind a ReLU, or pool without padding"
                )
            else:
                x, pads = self.padded(f"{name}_pad", x, pads), ((0, 0), (0, 0))
        padding = "same" if pads == "same" else "valid"
        return self._add(name, op, x, None, strides=strides, padding=padding, window=window)

    def global_average(self, name: str, x: Tensor) -> Tensor:
        """The mean of each channel, (1, 1, channels)."""
        if prod(x.sides[:2]) == 1:
            return x
        return self._add(name, "global_average_pool", x, (1, 1, x.size("c")))

    def padded(self, name: str, x: Tensor, pads: tuple[tuple[int, int], tuple[int, int]]) -> Tensor:
        """Zeros around a map, or where all are negative pixels cut off."""
        numbers = [side for pair in pads for side in pair]
        if not any(numbers):
            return x
        if min(numbers) < 0 < max(numbers):
            raise Refused(f"it must add pixels or cut them off, not both: {pads}")
        (top, bottom), (left, right) = pads
        sides = ((abs(top), abs(bottom)), (abs(left), abs(right)))
        return self._add(name, "pad" if max(numbers) > 0 else "crop", self.map(x), None, pads=sides)

    def flat(self, name: str, x: Tensor) -> Tensor:
        """All numbers of a map as one vector, in the order of the node; ``order`` has the file's."""
        order = flat_order(x)
        if len(x.shape) == 1:
            return replace(x, axes="nc")
        made = self._add(name, "flatten", x, (prod(x.shape),))
        return replace(made, axes="nc", order=order)

    def vector(self, x: Tensor) -> Tensor:
        """``x``, one pixel, as a node of shape (channels,)."""
        return x if len(x.shape) == 1 else self._view(x, "flatten", (x.size("c"),))

    def map(self, x: Tensor) -> Tensor:
        """``x`` as a node of shape (h, w, c)."""
        if len(x.shape) == 3:
            return x
        if x.order is not None:
            raise Refused("a map that was flattened cannot become a map again")
        return self._view(x, "expand", (1, 1, x.size("c")))

    def _view(self, x: Tensor, op: str, shape: tuple[int, ...]) -> Tensor:
        if (x.node, op) not in self._views:
            self._views[x.node, op] = self._add(f"{x.node}_{op}", op, x, shape)
        return replace(self._views[x.node, op], axes=x.axes)

    def _convolution(
        self,
        op: str,
        name: str,
        x: Tensor,
        kernel: Array,
        bias: Array | None,
        strides: tuple[int, int],
        pads: Pads,
    ) -> Tensor:
        x = self.map(x)
        if isinstance(pads, tuple):
            x = self.padded(f"{name}_pad", x, pads)
        padding = "same" if pads == "same" else "valid"
        weights = filled(op, kernel, bias)
        return self._add(name, op, x, None, strides=strides, padding=padding, weights=weights)

    def _paired(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if len(x.axes) != len(y.axes):
            raise Refused(f"it must read tensors of one shape, found {x.dims[1:]} and {y.dims[1:]}")
        if prod(x.shape) >= prod(y.shape):
            y = arranged(y, x.axes)
        else:
            x = arranged(x, y.axes)
        if not np.array_equal(_order(x), _order(y)):
            raise Refused("it must read tensors that were flattened in one order")
        if len(x.shape) != len(y.shape):
            x, y = self.map(x), self.map(y)
        return x, y

    def _never_negative(self, name: str) -> bool:
        node = self.nodes[name]
        if node.activation in _POSITIVE:
            return True
        return node.op in _KEEPS_SIGN and all(map(self._never_negative, node.inputs))

    def _add(
        self,
        name: str,
        op: str,
        sources: Tensor | tuple[Tensor, ...],
        shape: tuple[int, ...] | None,
        like: Tensor | None = None,
        **more: Any,
    ) -> Tensor:
        sources = sources if isinstance(sources, tuple) else (sources,)
        node = Node(name, op, tuple(source.node for source in sources), shape or (), **more)
        made = shape or shape_of(node, [source.shape for source in sources])
        if made is None:
            found = " and ".join(str(source.shape) for source in sources)
            raise Refused(f"it cannot read {found} (height, width, channels)")
        node = replace(node, name=self._name(name), shape=made)
        self.nodes[node.name] = node
        like = like or sources[0]
        order = like.order if made == like.shape else None
        return Tensor(node.name, made, like.axes, like.batch, order)

    def _name(self, wish: str) -> str:
        """A name that Keras takes: the file's without what Keras has no use for."""
        return unique(re.sub(r"[^A-Za-z0-9_-]+", "_", wish).strip("_-") or "layer", self._taken)


def _order(tensor: Tensor) -> Array:
    return np.arange(tensor.shape[-1]) if tensor.order is None else tensor.order
