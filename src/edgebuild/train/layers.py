"""Augmentation by Keras layers of the user's own: bytes in, bytes out, so that a teacher sees what its student sees.

The layers' random state is set from the epoch's generator before every batch.
So what they do is a function of the seed, the epoch and the batch, like all
other augmentation, and an interrupted training goes on to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import UsageError
from edgebuild.user_function import find

__all__ = ["Augment", "keras_augmentation"]

Images = npt.NDArray[np.uint8]
#: Stored images, uint8 (n, h, w, c), and what is random → other images of that shape.
Augment = Callable[[Images, np.random.Generator], Images]


def keras_augmentation(tf: Any, name: str, shape: tuple[int, ...], scale: float) -> Augment:
    """What the layer does that the function ``name`` (``module:function``) gives.

    The layer, or Sequential of layers, is called with real images, float32
    ``(n, h, w, c)`` in [0, 1], and ``training=True``. What it gives is clipped to
    [0, 1] and rounded to the codes in which the images are stored.

    Raises:
        UsageError: there is no such function, it fails or gives no layer, or the
            layer changes the shape or would have to be trained.
    """
    make = find(name, "augment")
    try:
        layer = make()
        probe = layer(np.full((2, *shape), 0.5, np.float32), training=True)
    except Exception as error:
        raise UsageError(
            f"augment: {name}() must give a Keras layer that takes images of shape (n, {', '.join(map(str, shape))}), "
            f"but fails with {type(error).__name__}: {str(error) or 'no message'}"
        ) from error
    if tuple(probe.shape) != (2, *shape):
        raise UsageError(
            f"augment: the layer of {name} must keep the shape of images, (n, {', '.join(map(str, shape))}), but "
            f"gives {tuple(probe.shape)}; crop and resize to the size that came in"
        )
    if layer.trainable_variables:
        names = ", ".join(variable.path for variable in layer.trainable_variables[:3])
        raise UsageError(
            f"augment: nothing trains the layer of {name}, but it has weights ({names}); leave them out"
        )
    seeds = [variable for variable in layer.variables if variable.name == "seed_generator_state"]
    run = tf.function(lambda pixels: layer(pixels, training=True), reduce_retracing=True)
    largest = round(1 / scale)

    def augment(images: Images, generator: np.random.Generator) -> Images:
        for seed in seeds:
            seed.assign(generator.integers(0, 2**31, 2))
        found = run(images.astype(np.float32) * np.float32(scale)).numpy()
        return np.asarray(np.rint(np.clip(found, 0, 1) * largest), np.uint8)

    return augment
