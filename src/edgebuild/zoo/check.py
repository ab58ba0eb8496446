"""Whether a Keras model can go through the build: asked before it is trained."""

from __future__ import annotations

from typing import Any

from edgebuild.errors import GraphError
from edgebuild.graph.calls import Call, calls
from edgebuild.graph.supported import activation_of, refusals_of

__all__ = ["problems"]


def problems(keras: Any, model: Any, shape: tuple[int, int, int], outputs: int) -> list[str]:
    """Why ``model`` cannot be trained and exported, a line for each reason; none if it can.

    It has to map images ``(n, *shape)`` to logits ``(n, outputs)`` with layers
    that the inference graph can hold. Reads no weights.
    """
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__name__}".removeprefix("builtins.")
        return [
            f"a keras.Model is required, but this is of type {kind}; return keras.Model(image, logits) or a "
            f"Sequential that begins with keras.Input(shape)"
        ]
    try:
        found = calls(model)
    except GraphError as error:
        return [str(error)]
    taken, given = tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:])
    reasons = []
    if taken != shape:
        reasons.append(
            f"it must take images of shape {shape}, but takes {taken}; begin with keras.Input(shape)"
        )
    if given != (outputs,):
        reasons.append(f"it must give {outputs} outputs, but gives {given}; end it with Dense(outputs)")
    reasons += [reason for call in found for reason in refusals_of(call)]
    return reasons + _softmax(found)


def _softmax(found: list[Call]) -> list[str]:
    last = found[-1]
    if activation_of(last) != "softmax":
        return []
    return [
        f"layer {last.name!r} ends it with a softmax, but logits are required, for the loss and the teacher's "
        f"temperature; leave the softmax out"
    ]
