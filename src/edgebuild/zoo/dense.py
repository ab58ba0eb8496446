"""Networks of dense layers alone: a plain perceptron, and the autoencoder that finds anomalies.

The autoencoder is that of MLPerf Tiny (Banbury et al. 2021, "MLPerf Tiny Benchmark", section 4.1),
the baseline of DCASE 2020 task 2 (Koizumi et al. 2020): four layers of 128 units, a bottleneck of
8, four more of 128, each with batch normalization and ReLU, and as many outputs as inputs.
"""

from __future__ import annotations

from typing import Any

__all__ = ["autoencoder", "mlp"]

#: Units of a hidden layer for each unit of the bottleneck: 128 to 8.
BOTTLENECK = 16


def mlp(keras: Any, shape: tuple[int, int, int], outputs: int, *, width: int, blocks: int) -> Any:
    """A perceptron: images ``(n, *shape)`` in [0, 1] → logits ``(n, outputs)``; ``blocks`` layers of ``width``."""
    return _network(keras, shape, outputs, [width] * blocks, "mlp")


def autoencoder(keras: Any, shape: tuple[int, int, int], outputs: int, *, width: int, blocks: int) -> Any:
    """An autoencoder: images ``(n, *shape)`` in [0, 1] → what it makes of them, ``(n, outputs)``, flat.

    ``blocks`` layers of ``width`` units lie on either side of the bottleneck; MLPerf Tiny's has 4 of 128.
    """
    side = [width] * blocks
    return _network(keras, shape, outputs, [*side, max(width // BOTTLENECK, 1), *side], "autoencoder")


def _network(keras: Any, shape: tuple[int, int, int], outputs: int, hidden: list[int], name: str) -> Any:
    layers, image = keras.layers, keras.Input(shape, name="image")
    x = layers.Flatten(name="flat")(image)
    for number, units in enumerate(hidden):
        x = layers.Dense(units, use_bias=False, kernel_initializer="he_normal", name=f"dense{number}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"dense{number}_bn")(x)
        x = layers.ReLU(name=f"dense{number}_relu")(x)
    return keras.Model(image, layers.Dense(outputs, name="logits")(x), name=name)
