"""The networks of keras.applications, by name: untrained, to logits, for images in [0, 1].

Nothing is downloaded, so weights that others trained do not come in here; save such a network as a
``.keras`` file, and name that as ``teacher.file``.
"""

from __future__ import annotations

import inspect
from typing import Any

from edgebuild.errors import GraphError
from edgebuild.zoo.names import PREFIX

__all__ = ["WHOLE_WIDTH", "application"]

#: Channels of the first convolution that alpha 1 stands for.
WHOLE_WIDTH = {"MobileNet": 32, "MobileNetV2": 32, "MobileNetV3Large": 16, "MobileNetV3Small": 16}


def application(
    keras: Any, shape: tuple[int, int, int], outputs: int, *, name: str, width: int | None = None
) -> Any:
    """``keras.applications.<name>``: images ``(n, *shape)`` in [0, 1] → logits ``(n, outputs)``.

    ``width`` becomes Keras' ``alpha`` where the network has it, as the width of the first
    convolution: 16 makes a MobileNetV2 of alpha 0.5, whose own is 32, and a MobileNetV3 of
    alpha 1. Any number of channels will do, since nothing is pretrained.

    Raises:
        GraphError: the images are too small for it.
    """
    make = getattr(keras.applications, name)
    parameters = inspect.signature(make).parameters
    image = keras.Input(shape, name="image")
    # EfficientNet divides pixels by 255 itself, with no way of leaving that out.
    own = name.startswith("EfficientNetB")
    pixels = keras.layers.Rescaling(255.0, name="to_bytes")(image) if own else image
    given: dict[str, Any] = {}
    if "include_preprocessing" in parameters:
        given["include_preprocessing"] = False
    if width is not None and name in WHOLE_WIDTH:
        given["alpha"] = width / WHOLE_WIDTH[name]
    try:
        return make(
            weights=None,
            input_tensor=pixels,
            input_shape=shape,
            classes=outputs,
            classifier_activation=None,
            **given,
        )
    except ValueError as error:
        height, breadth, channels = shape
        raise GraphError(
            f"{PREFIX}{name} takes no images of {height}×{breadth} with {channels} channel(s): {error}; choose "
            f"an architecture for small images, such as resnet, or larger images in the section data"
        ) from None
