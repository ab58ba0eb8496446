"""Architectures by name: those of this package, of keras.applications, and of the user.

A network gets the knobs that it has: those of :data:`KNOBS` that its function
takes as keywords. It is checked before anything is trained: what could not be
frozen, exported or compared with the labels later is refused here, all at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edgebuild.errors import GraphError
from edgebuild.graph.supported import SUPPORTED
from edgebuild.user_function import find
from edgebuild.zoo.applications import WHOLE_WIDTH, application
from edgebuild.zoo.check import problems
from edgebuild.zoo.dense import autoencoder, mlp
from edgebuild.zoo.ds_cnn import ds_cnn
from edgebuild.zoo.mobilenet_v2 import mobilenet_v2
from edgebuild.zoo.names import PREFIX, TEACHER
from edgebuild.zoo.resnet import resnet

__all__ = ["ARCHITECTURES", "KNOBS", "Network", "build", "unread"]

#: (keras, (height, width, channels), outputs, knobs) → images in [0, 1] to logits
ARCHITECTURES: Mapping[str, Callable[..., Any]] = {
    "resnet": resnet,
    "ds_cnn": ds_cnn,
    "mobilenet_v2": mobilenet_v2,
    "mlp": mlp,
    "autoencoder": autoencoder,
}
KNOBS = ("width", "blocks", "stages", "stem_stride")


class Network(Protocol):
    """What the sections ``teacher`` and ``student`` of params.yaml share."""

    @property
    def architecture(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def stages(self) -> int: ...
    @property
    def stem_stride(self) -> int: ...


def build(keras: Any, network: Network, *, shape: tuple[int, int, int], outputs: int, where: str) -> Any:
    """A Keras model with random weights: images ``(n, *shape)`` in [0, 1] → logits ``(n, outputs)``.

    Args:
        where: the key of params.yaml that names the architecture, for messages.

    Raises:
        UsageError: there is no such function of the user's.
        GraphError: the network takes other images, gives something else, or
            holds layers that cannot be exported; every reason at once.
    """
    name = network.architecture
    knobs = {knob: getattr(network, knob) for knob in KNOBS if knob not in unread(name, where)}
    if name in ARCHITECTURES:
        model = ARCHITECTURES[name](keras, shape, outputs, **knobs)
    elif name.startswith(PREFIX):
        model = application(keras, shape, outputs, name=name.removeprefix(PREFIX), **knobs)
    else:
        model = find(name, where)(shape, outputs, **knobs)
    if found := problems(keras, model, shape, outputs):
        listed = "\n  ".join(found)
        known = (
            f"\n(supported are {SUPPORTED})" if any("cannot be exported" in line for line in found) else ""
        )
        raise GraphError(
            f"{where}: {name} gives no network that can be built; nothing was trained:\n  {listed}{known}"
        )
    return model


def unread(name: str, where: str) -> tuple[str, ...]:
    """The knobs that the architecture does not have; their values say nothing.

    Raises:
        UsageError: there is no such function of the user's.
    """
    if name.startswith(PREFIX):
        has = {"width"} if name.removeprefix(PREFIX) in WHOLE_WIDTH else set()
    elif name == TEACHER:
        has = set()
    else:
        make = ARCHITECTURES[name] if name in ARCHITECTURES else find(name, where)
        parameters = inspect.signature(make).parameters.values()
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return ()
        has = {parameter.name for parameter in parameters}
    return tuple(knob for knob in KNOBS if knob not in has)
