"""Small Keras models, one for each way in which channels depend on one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgebuild.zoo.ds_cnn import ds_cnn
from edgebuild.zoo.resnet import resnet

SHAPE = (8, 8, 3)


def randomize(model: Any, seed: int = 0) -> Any:
    """``model`` with every weight drawn anew, batch normalization's too, so that nothing is neutral."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if "variance" in weight.path:
            values = generator.uniform(0.5, 2, weight.shape)
        elif "gamma" in weight.path:
            values = generator.uniform(0.5, 1.5, weight.shape)
        elif len(weight.shape) > 1:
            values = generator.normal(0, np.sqrt(2 / np.prod(weight.shape[:-1])), weight.shape)
        else:
            values = generator.normal(0, 0.3, weight.shape)
        weight.assign(values.astype(np.float32))
    return model


def concatenated(keras: Any) -> Any:
    """Branches of 4 and 6 channels and the pooled stem joined, then read by a convolution."""
    layers, image = keras.layers, keras.Input(SHAPE)
    stem = layers.Conv2D(5, 3, padding="same", activation="relu", name="stem")(image)
    left = layers.Conv2D(4, 1, activation="relu", name="left")(stem)
    right = layers.Conv2D(6, 3, padding="same", name="right")(stem)
    pooled = layers.MaxPooling2D(3, 1, "same", name="pooled")(stem)
    x = layers.Concatenate(name="joined")([left, right, pooled])
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Conv2D(7, 3, activation="relu", name="after")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalMaxPooling2D()(x)))


def flattened(keras: Any) -> Any:
    """A Sequential whose last maps become rows of a dense layer, with another after it."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.SeparableConv2D(6, 3, depth_multiplier=2, activation="relu", name="first"),
            layers.ZeroPadding2D(1),
            layers.Conv2D(5, 3, 2, name="second"),
            layers.AveragePooling2D(2, 1),
            layers.Flatten(),
            layers.Dense(9, name="hidden"),
            layers.BatchNormalization(scale=False),
            layers.Activation("tanh"),
            layers.Dropout(0.5),
            layers.Dense(3, name="logits"),
        ]
    )


def gated(keras: Any) -> Any:
    """Squeeze-excite as in EfficientNet (Reshape, Multiply) and as in MobileNetV3 (arithmetic on tensors)."""
    layers, image = keras.layers, keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, activation="silu", name="stem")(layers.Rescaling(2.0, -1)(image))
    gate = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(4, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(8, 1, activation="sigmoid", name="excite")(gate)
    x = layers.Multiply(name="excited")([x, gate])
    x = layers.Conv2D(6, 1, name="point")(x)
    gate = layers.Dense(6, name="excite2")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = x * (layers.ReLU(6.0)(gate + 3.0) * (1 / 6))
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))


def shared(keras: Any) -> Any:
    """One convolution and one batch normalization used twice, and a sum with two halves of a concatenation."""
    layers, image = keras.layers, keras.Input(SHAPE)
    twice, normalization = layers.Conv2D(6, 3, padding="same", name="twice"), layers.BatchNormalization()
    first = layers.Conv2D(6, 1, name="first")(image)
    x = layers.ReLU()(normalization(twice(first)))
    x = layers.ReLU()(normalization(twice(x)))
    halves = [layers.Conv2D(4, 1, name=name)(x) for name in ("low", "high")]
    whole = layers.Conv2D(8, 1, name="whole")(x)
    x = layers.Add()([layers.Concatenate()(halves), whole])
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))


MODELS: Mapping[str, Callable[[Any], Any]] = {
    "ds_cnn": lambda keras: ds_cnn(keras, SHAPE, 3, width=8, blocks=2, stages=2, stem_stride=1),
    "resnet": lambda keras: resnet(keras, SHAPE, 3, width=6, blocks=2, stages=2),
    "concatenated": concatenated,
    "flattened": flattened,
    "gated": gated,
    "shared": shared,
}
