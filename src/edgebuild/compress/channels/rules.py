"""What each type of Keras layer does to the channels that it reads.

A rule notes the layer's weights in a :class:`Book` and returns the channels of
the output, or says why the layer's channels must all stay. A type without a
rule makes them stay, too: it may depend on channels in ways that are not
known, and a network that is pruned elsewhere is of more use than a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from edgebuild.compress.channels.layout import Ids, Part, Width

__all__ = ["RULES", "Book", "Call", "apply"]

#: Activations that act on every number alone; softmax, for one, does not. The last are layers as activations.
ELEMENTWISE = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "hard_silu", "mish"),
    *("sigmoid", "hard_sigmoid", "log_sigmoid", "tanh", "hard_tanh", "softplus", "softsign", "squareplus"),
    *("exponential", "ReLU", "LeakyReLU", "ELU"),
)

#: Layers and, last, bare Keras operations that leave the channels as they are.
UNCHANGED = (
    *("ReLU", "LeakyReLU", "ELU", "Activation", "Identity", "ActivityRegularization"),
    *("Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout"),
    *("MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
    *("ZeroPadding2D", "Cropping2D", "UpSampling2D"),
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Gelu", "Silu", "HardSilu", "Sigmoid", "HardSigmoid", "Tanh"),
)

MERGED = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")


@dataclass
class Book:
    """What is known so far about the channels of one model."""

    parents: list[int] = field(default_factory=list)  # a union-find forest: those tied share a root
    pinned: set[int] = field(default_factory=set)
    pinning: dict[str, str] = field(default_factory=dict)  # layer → why it pins channels
    makers: list[str] = field(default_factory=list)  # channel → the layer that computes it
    made: dict[str, Ids] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    widths: list[Width] = field(default_factory=list)

    def new(self, maker: str, count: int) -> Ids:
        """``count`` channels that ``maker`` computes."""
        ids = np.arange(len(self.parents), len(self.parents) + count)
        self.parents.extend(ids.tolist())
        self.makers.extend([maker] * count)
        return ids

    def produce(self, layer: Any, setting: str) -> Ids:
        """The channels that ``layer`` computes, as many as ``setting`` says; the same for every call."""
        if layer.name not in self.made:
            self.made[layer.name] = self.new(layer.name, getattr(layer, setting))
            self.widths.append(Width(layer.name, setting, self.made[layer.name]))
        return self.made[layer.name]

    def root(self, channel: int) -> int:
        while self.parents[channel] != channel:
            self.parents[channel] = self.parents[self.parents[channel]]
            channel = self.parents[channel]
        return channel

    def tie(self, one: Ids, other: Ids) -> Ids:
        """Say that the channels of two arrays stay or go together, pair by pair."""
        for pair in zip(one.tolist(), other.tolist(), strict=True):
            low, high = sorted(map(self.root, pair))
            self.parents[high] = low
        return one

    def pin(self, ids: Iterable[int]) -> None:
        """Say that these channels stay."""
        self.pinned.update(map(int, ids))


@dataclass(frozen=True)
class Call:
    """One use of a layer or an operation: ``reads`` are the channels of each input tensor."""

    layer: Any
    reads: tuple[Ids, ...]
    inputs: tuple[Any, ...]  # symbolic Keras tensors, as are the outputs
    outputs: tuple[Any, ...]
    arguments: tuple[Any, ...]  # those of the call that are not input tensors

    @property
    def positions(self) -> int:
        """Entries of the output, other than channels, for one image."""
        return prod(self.outputs[0].shape[1:-1])


Rule = Callable[[Book, Call], "Ids | str"]


def apply(book: Book, call: Call) -> Ids | str:
    """The channels of the output of ``call``, or why all that it reads and gives must stay."""
    kind = type(call.layer).__name__
    if kind not in RULES:
        return f"layers of type {kind} have no rule"
    if getattr(call.layer, "data_format", "channels_last") not in ("channels_last", None):
        return "its data_format is not channels_last"
    if any(None in tensor.shape[1:] for tensor in (*call.inputs, *call.outputs)):
        return "its shapes are not fixed"
    made = RULES[kind](book, call)
    if not isinstance(made, str) and (why := _compares_channels(call.layer)):
        book.pin(made)
        book.pinning[call.layer.name] = why
    return made


def _compares_channels(layer: Any) -> str | None:
    """Why the results of the layer's activation depend on one another, if they do."""
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", type(activation).__name__)
    if activation is None or name in ELEMENTWISE:
        return None
    return f"activation {name!r} is not known to act on every channel alone"


def _unchanged(book: Book, call: Call) -> Ids | str:
    del book
    return call.reads[0]


def _rescaling(book: Book, call: Call) -> Ids | str:
    if np.ndim(call.layer.scale) or np.ndim(call.layer.offset):
        return "it has a number for every channel"
    return _unchanged(book, call)


def _convolution(book: Book, call: Call) -> Ids | str:
    if call.layer.groups != 1:
        return "its channels are read in groups of fixed sizes"
    made = book.produce(call.layer, "filters")
    kernel = call.layer.kernel
    book.parts.append(Part(call.layer.name, "kernel", kernel, (2, call.reads[0]), (3, made), call.positions))
    return _bias(book, call, made)


def _depthwise(book: Book, call: Call) -> Ids | str:
    (read,) = call.reads
    kernel = call.layer.kernel
    book.parts.append(Part(call.layer.name, "kernel", kernel, None, (2, read), call.positions))
    return _bias(book, call, np.repeat(read, call.layer.depth_multiplier))


def _separable(book: Book, call: Call) -> Ids | str:
    (read,), name, layer = call.reads, call.layer.name, call.layer
    made, between = book.produce(layer, "filters"), np.repeat(read, layer.depth_multiplier)
    book.parts += [
        Part(name, "kernel", layer.depthwise_kernel, None, (2, read), call.positions),
        Part(name, "kernel", layer.pointwise_kernel, (2, between), (3, made), call.positions),
    ]
    return _bias(book, call, made)


def _dense(book: Book, call: Call) -> Ids | str:
    made = book.produce(call.layer, "units")
    kernel = call.layer.kernel
    book.parts.append(Part(call.layer.name, "kernel", kernel, (0, call.reads[0]), (1, made), call.positions))
    return _bias(book, call, made)


def _bias(book: Book, call: Call, made: Ids) -> Ids:
    if call.layer.use_bias:
        book.parts.append(Part(call.layer.name, "bias", call.layer.bias, None, (0, made)))
    return made


def _batch_normalization(book: Book, call: Call) -> Ids | str:
    layer, (read,) = call.layer, call.reads
    if layer.axis not in (-1, len(call.inputs[0].shape) - 1):
        return "it does not normalize the last axis"
    weights = [("moving", layer.moving_mean), ("moving", layer.moving_variance)]
    weights += [("gamma", layer.gamma)] if layer.scale else []
    weights += [("beta", layer.beta)] if layer.center else []
    book.parts += [Part(layer.name, role, weight, None, (0, read)) for role, weight in weights]
    return read


def _merged(book: Book, call: Call) -> Ids | str:
    """Sums, products and the like: tensors of one width, or with one channel beside others of many."""
    if any(np.shape(argument) for argument in call.arguments):
        return "it has a number for every channel"
    if len({len(tensor.shape) for tensor in call.inputs}) > 1:
        return "it joins tensors of different ranks"
    wide = max(call.reads, key=len)
    for read in call.reads:
        if len(read) != len(wide):
            book.pin(read)  # a single channel that meets each of the others
    return reduce(book.tie, [read for read in call.reads if len(read) == len(wide)])


def _concatenated(book: Book, call: Call) -> Ids | str:
    if call.layer.axis in (-1, len(call.outputs[0].shape) - 1):
        return np.concatenate(call.reads)
    return reduce(book.tie, call.reads)


def _flattened(book: Book, call: Call) -> Ids | str:
    del book
    return np.tile(call.reads[0], prod(call.inputs[0].shape[1:-1]))  # channels vary fastest


def _reshaped(book: Book, call: Call) -> Ids | str:
    shape, (read,) = call.outputs[0].shape[1:], call.reads
    if shape[-1] != len(read):
        if len(shape) != 1:
            return "it mixes channels with positions"
        read = np.asarray(_flattened(book, call))
    if call.layer.target_shape[-1] != -1:
        book.widths.append(Width(call.layer.name, "target_shape", read))
    return read


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(UNCHANGED, _unchanged),
    **dict.fromkeys(MERGED, _merged),
    "BatchNormalization": _batch_normalization,
    "Concatenate": _concatenated,
    "Conv2D": _convolution,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Flatten": _flattened,
    "Rescaling": _rescaling,
    "Reshape": _reshaped,
    "SeparableConv2D": _separable,
}
