"""The student: a small network of depthwise-separable convolutions.

After Howard et al. 2017, "MobileNets", and the DS-CNN of Zhang et al. 2017,
"Hello Edge", with a residual add around every block that keeps its shape
(Sandler et al. 2018, "MobileNetV2").
"""

from __future__ import annotations

from typing import Any

from edgebuild.zoo.window import window

__all__ = ["ds_cnn"]


def ds_cnn(
    keras: Any,
    shape: tuple[int, int, int],
    outputs: int,
    *,
    width: int,
    blocks: int,
    stages: int,
    stem_stride: int,
) -> Any:
    """A DS-CNN: images ``(n, *shape)`` in [0, 1] → logits ``(n, outputs)``.

    The stem is a 3×3 convolution to ``width`` channels. Every stage has
    ``blocks`` separable blocks; each stage after the first doubles the channels
    and halves the image. Signals, one pixel wide, are convolved along time.
    """
    layers, kernel = keras.layers, window(shape)
    image = keras.Input(shape, name="image")
    x = layers.Conv2D(width, kernel, stem_stride, "same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(momentum=0.9, name="stem_bn")(x)
    x = layers.ReLU(name="stem_relu")(x)
    for stage in range(stages):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = _separable(layers, x, width * 2**stage, kernel, stride, f"stage{stage}_block{block}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(outputs, name="logits")(x), name="ds_cnn")


def _separable(layers: Any, x: Any, channels: int, kernel: tuple[int, int], stride: int, name: str) -> Any:
    shortcut = x
    x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_depthwise_bn")(x)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_pointwise")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_pointwise_bn")(x)
    if stride == 1 and shortcut.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)
