"""The networks of keras.applications at small sizes, with random weights that behave like trained ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph.freeze import freeze
from edgebuild.graph.ir import Graph

LABELS = tuple("abcdefghij")

#: name → (smallest side that suits it, the largest pixel: 255 where the network rescales by itself)
APPLICATIONS: Mapping[str, tuple[int, float]] = {
    "MobileNet": (64, 1),
    "MobileNetV2": (64, 1),
    "MobileNetV3Small": (64, 255),
    "EfficientNetB0": (64, 255),
    "ResNet50": (64, 1),
    "DenseNet121": (64, 1),
    "InceptionV3": (75, 1),
    "Xception": (71, 1),
    "NASNetMobile": (64, 1),
}


def pixels(name: str, count: int, seed: int) -> npt.NDArray[np.float32]:
    """Random images for an application, float32 ``(count, side, side, 3)``."""
    side, highest = APPLICATIONS[name]
    return (highest * np.random.default_rng(seed).random((count, side, side, 3))).astype(np.float32)


def application(keras: Any, name: str) -> Any:
    """The Keras model, to 10 logits, its batch normalizations calibrated on 16 random images."""
    keras.utils.set_random_seed(0)
    side, _ = APPLICATIONS[name]
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(side, side, 3), classes=len(LABELS), classifier_activation=None)
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.0  # one batch in training mode then sets the statistics
            if layer.scale:
                layer.gamma.assign(generator.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(generator.normal(0, 0.3, layer.beta.shape))
    model(pixels(name, 16, seed=0), training=True)
    return model


def frozen(keras: Any, name: str) -> Graph:
    """The graph of an application."""
    return freeze(application(keras, name), LABELS, pixel_scale=APPLICATIONS[name][1] / 255)
