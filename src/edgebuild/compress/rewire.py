"""A network that others trained, as the build needs it: one flat graph of layers, from pixels in [0, 1] to outputs.

The layers keep their weights and names. What changes is around them: the scaling of pixels that the
network expects comes first, models inside the model are taken apart (channels can be cut only in what lies
open), layers that augment images go, and so does a softmax at the end, since losses and temperatures work on
logits. A single sigmoid for two classes becomes two logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgebuild.compress.pixels import INPUTS
from edgebuild.errors import GraphError
from edgebuild.graph.calls import Call
from edgebuild.graph.supported import activation_of

__all__ = ["ending_of", "rewired", "standardized"]


def ending_of(found: Sequence[Call]) -> str:
    """The activation that the last of the calls of a network applies: "softmax", "sigmoid", "linear" and so on."""
    return activation_of(found[-1])


def rewired(
    keras: Any,
    found: Sequence[Call],
    shape: tuple[int, int, int],
    *,
    takes: str,
    without: Sequence[str],
    pair: bool = False,
    name: str = "teacher",
) -> Any:
    """A Keras model of the layers of another, from images ``(n, *shape)`` in [0, 1] to logits.

    The other model is of no use afterwards: the two share layers.

    Args:
        found: the other's calls, of supported layers, up to the one that gives the output.
        takes: a key of :data:`edgebuild.compress.pixels.INPUTS`.
        without: the activations that are taken away where the network ends with one.
        pair: the last layer gives one logit, of the second of two classes: let it give 0 for the first, too.

    Raises:
        GraphError: the layers cannot be called on such images, or bytes in the
            order BGR are read by something else than a convolution.
    """
    image = keras.Input(shape, name="image")
    if takes == "caffe":
        _read_backwards(found)
    x = _front(keras, image, found[0].shape, takes)
    if ending_of(found) in without:
        found = _without_activation(keras, found)
    results = {found[0].name: x}
    for call in found[1:]:
        if call.kind.startswith("Random"):
            results[call.name] = results[call.reads[0]]
            continue
        known = {id(tensor): results[read] for tensor, read in zip(call.inputs, call.reads, strict=True)}
        call.operation.name = call.name  # unique, where a model inside had a layer of the same name
        try:
            results[call.name] = call.operation(*_replaced(call.arguments, known))
        except (ValueError, TypeError) as error:
            raise GraphError(
                f"layer {call.name!r} ({call.kind}) cannot read what it would get for images of shape {shape}: "
                f"{' '.join(str(error).split())}"
            ) from None
    last = found[-1]
    logits = _paired(keras, last, results[last.reads[0]]) if pair else results[last.name]
    return keras.Model(image, logits, name=name)


def standardized(keras: Any, model: Any, units: Sequence[tuple[float, float]]) -> Any:
    """A model that gives ``(y − offset) / scale`` where ``model`` gives ``y``; ``units`` has both for each output."""
    factors, shifts = [1 / scale for scale, _ in units], [-offset / scale for scale, offset in units]
    outputs = keras.layers.Rescaling(factors, shifts, name="standardized")(model.outputs[0])
    return keras.Model(model.inputs[0], outputs, name=model.name)


def _front(keras: Any, image: Any, expected: tuple[int | None, ...], takes: str) -> Any:
    """Scaled pixels, flat where the network expects them so."""
    scale, offset = INPUTS[takes]
    x = image
    if takes != "unit":
        numbers = [values[0] if len(set(values)) == 1 else list(values) for values in (scale, offset)]
        x = keras.layers.Rescaling(*numbers, name=f"to_{takes}")(x)
    if len(expected) == 1:
        x = keras.layers.Flatten(name="to_vector")(x)
    return x


def _read_backwards(found: Sequence[Call]) -> None:
    """Let the first convolution read red, green, blue where it was trained on blue, green, red."""
    name = found[0].name
    while True:
        readers = [call for call in found if name in call.reads]
        if len(readers) == 1 and readers[0].kind == "ZeroPadding2D":
            name = readers[0].name
            continue
        break
    if not readers or any(call.kind != "Conv2D" for call in readers):
        listed = ", ".join(f"{call.name!r} ({call.kind})" for call in readers)
        raise GraphError(
            f"teacher.input: caffe turns the order of colours by turning the first convolution, but the image is "
            f"read by {listed}; make that a convolution, or train the network on another input"
        )
    for call in readers:
        kernel = call.operation.kernel
        kernel.assign(np.asarray(kernel)[:, :, ::-1, :])


def _without_activation(keras: Any, found: Sequence[Call]) -> Sequence[Call]:
    """The calls up to the logits: a last call that is an activation goes, one that has an activation loses it."""
    last = found[-1]
    if last.kind in ("Softmax", "Activation", "ops.Softmax", "ops.Sigmoid"):
        return found[:-1]
    last.operation.activation = keras.activations.linear
    return found


def _paired(keras: Any, last: Call, features: Any) -> Any:
    """Logits 0 and z of a dense layer that gives z: ``sigmoid(z)`` is the softmax of the two."""
    layer = keras.layers.Dense(2, use_bias=last.operation.use_bias, name=last.name)
    logits = layer(features)
    for weight, single in zip(layer.weights, last.operation.weights, strict=True):
        weight.assign(np.concatenate([np.zeros_like(single), np.asarray(single)], axis=-1))
    return logits


def _replaced(value: Any, known: Mapping[int, Any]) -> Any:
    """Arguments of a call, with its symbolic tensors replaced by those of ``known``."""
    if isinstance(value, list | tuple):
        return type(value)(_replaced(item, known) for item in value)
    return known.get(id(value), value)
