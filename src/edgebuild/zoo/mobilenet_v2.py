"""A network of inverted residuals for small images.

After Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear
Bottlenecks": a block widens its channels six times, convolves each of them
alone, and narrows them again without an activation.
"""

from __future__ import annotations

from typing import Any

from edgebuild.zoo.window import window

__all__ = ["mobilenet_v2"]

#: How much wider a block is inside (the paper's t).
EXPANSION = 6
#: How much wider the features are than the last block, as 1280 are than 320 in the paper.
HEAD = 4


def mobilenet_v2(
    keras: Any,
    shape: tuple[int, int, int],
    outputs: int,
    *,
    width: int,
    blocks: int,
    stages: int,
    stem_stride: int,
) -> Any:
    """Inverted residuals: images ``(n, *shape)`` in [0, 1] → logits ``(n, outputs)``.

    The stem and the bottlenecks of the first stage have ``width`` channels;
    each later stage doubles them and halves the image. Every stage has
    ``blocks`` blocks. Signals, one pixel wide, are convolved along time.
    """
    layers, kernel = keras.layers, window(shape)
    image = keras.Input(shape, name="image")
    x = layers.Conv2D(width, kernel, stem_stride, "same", use_bias=False, name="stem")(image)
    x = _bn_relu6(layers, x, "stem")
    for stage in range(stages):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = _inverted(layers, x, width * 2**stage, kernel, stride, f"stage{stage}_block{block}")
    x = layers.Conv2D(HEAD * x.shape[-1], 1, use_bias=False, name="head")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(_bn_relu6(layers, x, "head"))
    return keras.Model(image, layers.Dense(outputs, name="logits")(x), name="mobilenet_v2")


def _inverted(layers: Any, x: Any, channels: int, kernel: tuple[int, int], stride: int, name: str) -> Any:
    shortcut = x
    x = layers.Conv2D(EXPANSION * x.shape[-1], 1, use_bias=False, name=f"{name}_expand")(x)
    x = _bn_relu6(layers, x, f"{name}_expand")
    x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise")(x)
    x = _bn_relu6(layers, x, f"{name}_depthwise")
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_project_bn")(x)
    if stride == 1 and shortcut.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def _bn_relu6(layers: Any, x: Any, name: str) -> Any:
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x)
