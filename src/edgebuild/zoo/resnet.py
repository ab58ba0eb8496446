"""The teacher: a residual network for small images.

After He et al. 2016, "Deep Residual Learning for Image Recognition", section
4.2 (the CIFAR variant): 3×3 convolutions, batch normalization, a projection
where the shape changes.
"""

from __future__ import annotations

from typing import Any

from edgebuild.zoo.window import window

__all__ = ["resnet"]


def resnet(
    keras: Any,
    shape: tuple[int, int, int],
    outputs: int,
    *,
    width: int,
    blocks: int,
    stages: int,
    stem_stride: int = 1,
) -> Any:
    """A ResNet: images ``(n, *shape)`` in [0, 1] → logits ``(n, outputs)``.

    The first stage has ``width`` channels; each later one doubles the channels
    and halves the image. Every stage has ``blocks`` residual blocks. Signals,
    one pixel wide, are convolved along time.
    """
    layers, kernel = keras.layers, window(shape)
    image = keras.Input(shape, name="image")
    x = _conv_bn(layers, image, width, kernel, stem_stride, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage in range(stages):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = _block(layers, x, width * 2**stage, kernel, stride, f"stage{stage}_block{block}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(outputs, name="logits")(x), name="resnet")


def _block(layers: Any, x: Any, channels: int, kernel: tuple[int, int], stride: int, name: str) -> Any:
    shortcut = x
    if stride != 1 or x.shape[-1] != channels:
        shortcut = _conv_bn(layers, x, channels, (1, 1), stride, f"{name}_project")
    x = _conv_bn(layers, x, channels, kernel, stride, f"{name}_conv0")
    x = layers.ReLU(name=f"{name}_relu0")(x)
    x = _conv_bn(layers, x, channels, kernel, 1, f"{name}_conv1")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu1")(x)


def _conv_bn(layers: Any, x: Any, channels: int, kernel: tuple[int, int], stride: int, name: str) -> Any:
    x = layers.Conv2D(
        channels, kernel, stride, "same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
