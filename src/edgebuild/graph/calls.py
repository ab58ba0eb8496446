"""What a Keras model calls, in order: its layers, and operations on tensors that are no layers.

A model inside a model is replaced by what it calls. Everything that touches
Keras' own record of a model is in this file; TensorFlow is not imported.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from edgebuild.errors import GraphError

__all__ = ["Call", "calls", "unique"]


@dataclass(frozen=True)
class Call:
    """A layer, or an operation such as ``x + 3``, as one model calls it: a layer can belong to several.

    ``name`` is unique in the model; ``reads`` are the names of the calls whose
    results it takes, ``inputs`` and ``output`` the symbolic tensors. ``arguments``
    are its positional arguments as written: tensors and constants.
    """

    name: str
    operation: Any
    reads: tuple[str, ...]
    inputs: tuple[Any, ...]
    output: Any
    arguments: tuple[Any, ...]
    twice: bool = False

    @property
    def kind(self) -> str:
        """The type: "Conv2D" for a layer of Keras, "ops.Add" for an operation of ``keras.ops``.

        A user's own class has its module's name before it, whatever it is called.
        """
        kind = type(self.operation)
        if kind.__module__.startswith("keras.src.ops."):
            return f"ops.{kind.__name__}"
        return kind.__name__ if kind.__module__.startswith("keras.") else f"{kind.__module__}.{kind.__name__}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result, without the batch axis."""
        return tuple(self.output.shape[1:])

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(tensor.shape[1:]) for tensor in self.inputs)


def calls(model: Any) -> list[Call]:
    """All calls between the input and the output of ``model``, each after those that it reads.

    Raises:
        GraphError: the model has not exactly one input and one output.
    """
    found: list[Call] = []
    _collect(model, {}, "", found, {})
    return found


def unique(name: str, taken: set[str]) -> str:
    """``name``, numbered if another has it; it is taken from then on."""
    fresh, number = name, 2
    while fresh in taken:
        fresh, number = f"{name}_{number}", number + 1
    taken.add(fresh)
    return fresh


def _collect(
    model: Any, holders: dict[Hashable, str], prefix: str, found: list[Call], nodes: dict[int, Any]
) -> str:
    """Append what ``model`` calls to ``found``; return the call that gives its output.

    ``holders`` maps symbolic tensors to the calls that give them, ``nodes``
    operations (by identity) to their one place in Keras' graph.
    """
    taken = {call.name for call in found}
    _, output = _ends(model)
    waiting = [output]  # a stack, not recursion: networks are deeper than Python's stack
    while waiting:
        tensor = waiting[-1]
        if _key(tensor) in holders:
            waiting.pop()
            continue
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        inputs = tuple(node.input_tensors)
        if missing := [source for source in inputs if _key(source) not in holders]:
            waiting.extend(reversed(missing))
            continue
        waiting.pop()
        reads = tuple(holders[_key(source)] for source in inputs)
        twice = nodes.setdefault(id(operation), node) is not node
        if _is_model(operation) and not twice:
            inside = {_key(_ends(operation)[0]): reads[0]}
            holders[_key(tensor)] = _collect(operation, inside, f"{prefix}{operation.name}_", found, nodes)
            taken = {call.name for call in found}
            continue
        name = unique(f"{prefix}{operation.name}", taken)
        found.append(Call(name, operation, reads, inputs, tensor, tuple(node.arguments.args), twice))
        holders[_key(tensor)] = name
    return holders[_key(output)]


def _ends(model: Any) -> tuple[Any, Any]:
    inputs: Sequence[Any] = getattr(model, "inputs", None) or ()
    outputs: Sequence[Any] = getattr(model, "outputs", None) or ()
    if len(inputs) != 1 or len(outputs) != 1:
        raise GraphError(
            f"model {model.name!r} has {len(inputs)} inputs and {len(outputs)} outputs; export a model with one "
            f"of each, made with keras.Model(image, logits) or as a Sequential that begins with keras.Input"
        )
    return inputs[0], outputs[0]


def _is_model(operation: Any) -> bool:
    """A functional or sequential model; the calls of others are not on record."""
    return bool(getattr(operation, "layers", None)) and bool(getattr(operation, "outputs", None))


def _key(tensor: Any) -> Hashable:
    operation, index, position = tensor._keras_history
    return id(operation), index, position
