"""Augmentation of image batches, as a pure function of a random generator."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["augment"]


def augment(
    images: npt.NDArray[np.uint8], *, shift: int, flip: bool, generator: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Images ``(n, h, w, c)``, each moved by up to ``shift`` pixels and perhaps mirrored.

    Pixels that come in from outside are zero. ``shift`` 0 and ``flip`` False
    return the images as they are.
    """
    if flip:
        mirrored = generator.random(len(images)) < 0.5
        images = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    if shift:
        _, height, width, _ = images.shape
        padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
        down, right = generator.integers(0, 2 * shift + 1, (2, len(images), 1, 1))
        rows = down + np.arange(height)[None, :, None]
        columns = right + np.arange(width)[None, None, :]
        images = padded[np.arange(len(images))[:, None, None], rows, columns]
    return images
