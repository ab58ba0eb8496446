"""The networks of the comparison: two that the build trained, and MobileNetV2, trained here.

MobileNetV2 stands for what users bring: ``keras.applications``' own layers
(ZeroPadding2D, ReLU6, linear bottlenecks), the classic hard case of 8-bit
quantization. It is trained just long enough to have accuracy to lose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.train import backend

__all__ = ["ALLOWED_LOSS", "NETWORKS", "cached", "mobilenet_v2", "train"]

#: name → the most accuracy, as a fraction, that int8 may lose against float.
ALLOWED_LOSS: Mapping[str, float] = {"resnet": 0.002, "ds-cnn": 0.002, "mobilenet-v2": 0.005}
NETWORKS = tuple(ALLOWED_LOSS)

ALPHA = 0.35
#: The smallest input that keras.applications accepts; smaller images get a frame of zeros.
SIDE = 32
BATCH = 128
LEARNING_RATE = 3e-3
SEED = 7
#: Part of the result, as everywhere in edgebuild: another count gives other bits.
THREADS = 2
#: keras.applications averages over 1,000 steps (0.999), longer than this training lasts.
MOMENTUM = 0.9


def cached(folder: Path, data: Path, steps: int) -> Path:
    """Where MobileNetV2 lies after ``steps`` steps on these training images."""
    digest = hashlib.sha256((data / "train.npz").read_bytes()).hexdigest()[:12]
    return folder / f"mobilenet-v2-{digest}-{steps}.keras"


def mobilenet_v2(keras: Any, shape: tuple[int, int, int], classes: int) -> Any:
    """MobileNetV2 (Sandler et al. 2018), alpha 0.35, without weights, from images of ``shape`` to logits."""
    height, width, _ = shape
    image = keras.Input(shape, name="image")
    frame = [_frame(height), _frame(width)]
    padded = keras.layers.ZeroPadding2D(frame, name="frame")(image) if any(map(any, frame)) else image
    model = keras.applications.MobileNetV2(
        input_tensor=padded, alpha=ALPHA, weights=None, classes=classes, classifier_activation=None
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    return model


def train(path: Path, data: Path, steps: int) -> None:
    """Train MobileNetV2 for ``steps`` batches of 128 and write it; the same bits in every process."""
    split = Split.read(data / "train.npz")
    _, keras = backend.load(SEED, THREADS)
    model = mobilenet_v2(keras, split.images.shape[1:], len(split.classes))
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(schedule), loss=loss)
    order = np.random.Generator(np.random.PCG64(SEED))
    epochs = -(-steps * BATCH // len(split))
    chosen = np.concatenate([order.permutation(len(split)) for _ in range(epochs)])[: steps * BATCH]
    real = split.real()
    for start in range(0, len(chosen), BATCH):
        batch = chosen[start : start + BATCH]
        model.train_on_batch(real[batch], split.labels[batch])
    path.parent.mkdir(parents=True, exist_ok=True)
    keras_format.write(model, path)


def _frame(size: int) -> tuple[int, int]:
    missing = max(SIDE - size, 0)
    return missing // 2, missing - missing // 2
