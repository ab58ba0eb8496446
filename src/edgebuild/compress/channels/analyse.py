"""Find the channels of a Keras model that can only be cut together.

Sums, products, depthwise convolutions and shared layers tie channels of
different layers to one another: the idea of dependency groups is that of Fang
et al. 2023, "DepGraph: Towards Any Structural Pruning". Here every channel is
followed by its number through the model, so offsets in a concatenation and
rows after a flattening need no special treatment.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgebuild.compress.channels.layout import ChannelGroup, Ids, Layout
from edgebuild.compress.channels.rules import Book, Call, apply
from edgebuild.errors import GraphError

__all__ = ["analyse"]


def analyse(model: Any) -> Layout:
    """The channels of a functional or sequential Keras model, and the groups in which they may be cut.

    The model's inputs and outputs stay as they are, and so does all that a
    layer reads and gives for which there is no rule (``Layout.pinned``).

    Raises:
        GraphError: the model is not a graph of layers, or has not been built.
    """
    nodes = _nodes(model)
    book = Book()
    channels: dict[int, Ids] = {}  # by the identity of the symbolic tensor
    first: dict[str, tuple[Ids, ...]] = {}
    for node in nodes:
        call = _call(node, tuple(channels[id(tensor)] for tensor in node.input_tensors))
        layer = call.layer
        if getattr(layer, "weights", ()) or hasattr(layer, "target_shape"):
            for one, other in zip(first.setdefault(layer.name, call.reads), call.reads, strict=True):
                book.tie(one, other)  # a layer that is called twice has one width
        made = "the input of the model" if not call.inputs else apply(book, call)
        if isinstance(made, str):
            free = any(not book.pinned.issuperset(read.tolist()) for read in call.reads)
            if call.inputs and (free or getattr(layer, "trainable_weights", ())):
                book.pinning[layer.name] = made  # else it pins nothing that was not
            for read in call.reads:
                book.pin(read)
        for tensor in call.outputs:
            channels[id(tensor)] = _stay(book, layer, tensor) if isinstance(made, str) else made
    for tensor in model.outputs:
        book.pin(channels[id(tensor)])
        book.pinning.pop(tensor._keras_history.operation.name, None)
    return Layout(
        count=len(book.parents),
        groups=_groups(book),
        parts=tuple(book.parts),
        widths=tuple(book.widths),
        pinned=book.pinning,
        normalized=_normalized(nodes),
    )


def _nodes(model: Any) -> list[Any]:
    """Keras' nodes between the inputs and outputs of ``model``, each after those that it reads."""
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise GraphError(
            f"model {getattr(model, 'name', model)!r} must be a graph of layers to be cut, but has no inputs and "
            f"outputs; make it with keras.Model(image, logits) or as a Sequential that begins with keras.Input"
        )
    order: list[Any] = []
    placed: set[int] = set()
    waiting = [_node(tensor) for tensor in reversed(model.outputs)]
    while waiting:
        node = waiting[-1]
        missing = [read for read in map(_node, node.input_tensors) if id(read) not in placed]
        if missing:
            waiting.extend(reversed(missing))
            continue
        waiting.pop()
        if id(node) not in placed:
            placed.add(id(node))
            order.append(node)
    return order


def _node(tensor: Any) -> Any:
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


def _call(node: Any, reads: tuple[Ids, ...]) -> Call:
    inputs = tuple(node.input_tensors)
    given = (*node.arguments.args, *node.arguments.kwargs.values())
    flat = [value for item in given for value in (item if isinstance(item, list | tuple) else [item])]
    others = tuple(value for value in flat if not any(value is tensor for tensor in inputs))
    return Call(node.operation, reads, inputs, tuple(node.output_tensors), others)


def _stay(book: Book, layer: Any, tensor: Any) -> Ids:
    """New channels for ``tensor`` that are never cut."""
    ids = book.new(layer.name, tensor.shape[-1] or 0 if len(tensor.shape) > 1 else 0)
    book.pin(ids)
    return ids


def _groups(book: Book) -> tuple[ChannelGroup, ...]:
    together: dict[int, list[int]] = {}
    for channel in range(len(book.parents)):
        together.setdefault(book.root(channel), []).append(channel)
    found: dict[tuple[str, ...], list[Ids]] = {}
    for channels in together.values():
        if book.pinned.isdisjoint(channels):
            makers = tuple(dict.fromkeys(book.makers[channel] for channel in channels))
            found.setdefault(makers, []).append(np.array(channels))
    groups: dict[str, ChannelGroup] = {}
    for makers, units in found.items():
        # Parts of one layer can be tied to different others, through a concatenation.
        name = makers[0] if makers[0] not in groups else "+".join(makers)
        groups[name] = ChannelGroup(name, makers, tuple(units))
    return tuple(groups.values())


def _normalized(nodes: list[Any]) -> frozenset[str]:
    """The layers that one batch normalization with a ``gamma`` reads, and nothing else."""
    readers: dict[str, list[bool]] = {}
    for node in nodes:
        scales = type(node.operation).__name__ == "BatchNormalization" and node.operation.scale
        for tensor in node.input_tensors:
            readers.setdefault(tensor._keras_history.operation.name, []).append(scales)
    return frozenset(name for name, kinds in readers.items() if kinds == [True])
