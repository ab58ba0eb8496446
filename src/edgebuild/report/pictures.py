"""Images of the data set as PNG: on the page, and as what a request would weigh."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt

from edgebuild.data.split import Split

__all__ = ["data_uri", "mean_bytes", "png"]

#: Enough for a mean.
SAMPLE = 200


def png(image: npt.NDArray[np.uint8], scale: float) -> bytes:
    """One image, uint8 ``(height, width, channels)`` with ``real = image * scale`` in [0, 1], as PNG of 8 bits.

    One channel is grey, three are RGB, four RGBA. Other channels are put one below the other; those of a window
    of a sensor, ``(time, 1, channels)``, as one line each, time going to the right. So every value is in the picture.
    """
    from PIL import Image

    pixels = np.clip(np.rint(image * (255.0 * scale)), 0, 255).astype(np.uint8)
    if pixels.shape[1] == 1:
        pixels = pixels[:, 0].T
    elif pixels.shape[2] not in (3, 4):
        pixels = np.concatenate(list(pixels.transpose(2, 0, 1)))
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format="PNG", optimize=True)
    return written.getvalue()


def data_uri(image: npt.NDArray[np.uint8], scale: float) -> str:
    """:func:`png` as a URI that needs no file and no network."""
    return "data:image/png;base64," + base64.b64encode(png(image, scale)).decode("ascii")


def mean_bytes(test: Split) -> float:
    """The mean size as PNG of the first :data:`SAMPLE` images of the split."""
    first = test.images[:SAMPLE]
    return sum(len(png(image, test.scale)) for image in first) / len(first)
