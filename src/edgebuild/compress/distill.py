"""Distillation: where the teacher's logits come from while a student is trained.

Without augmentation every epoch shows the same images, so logits that were
computed once and kept are what the teacher would say again. With it the
teacher looks at each augmented batch itself.
"""

from __future__ import annotations

import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError

if TYPE_CHECKING:
    from edgebuild.train.loop import Guide, Images, Inference, Recipe

__all__ = ["guide_of", "read_logits", "write_logits"]

#: Images that the teacher is asked about at once, and rows that are looked at.
CHUNK = 2000

_AGAIN = "delete it and run dvc repro"

#: What numpy raises on damaged .npy files, found by changing every byte of one.
_DAMAGE = (ValueError, OSError, EOFError, TypeError, SyntaxError, tokenize.TokenError, KeyError, MemoryError)


def guide_of(teacher: Callable[[], Inference], logits: Path, recipe: Recipe) -> Guide:
    """What :func:`edgebuild.train.loop.fit` takes as ``guide``.

    ``teacher`` opens the teacher itself; it is called only if images are
    augmented. ``logits`` is the file of :func:`read_logits`.

    Raises:
        DataError: as :func:`read_logits`, or whatever opening the teacher raises.
    """
    return teacher() if recipe.shift or recipe.flip or recipe.augment else read_logits(logits)


def write_logits(path: Path, teacher: Inference, images: Images) -> None:
    """Write what ``teacher`` gives for ``images``, uint8 ``(n, h, w, c)``, chunk by chunk: the bytes of ``np.save``."""
    kept = None
    for start in range(0, len(images), CHUNK):
        found = teacher(images[start : start + CHUNK])
        if kept is None:
            shape = (len(images), *found.shape[1:])
            kept = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        kept[start : start + CHUNK] = found


def read_logits(path: Path) -> npt.NDArray[np.float32]:
    """The teacher's outputs on the training images, float32 ``(n, outputs)``, mapped and not loaded.

    Raises:
        DataError: the file is missing, damaged, or holds something else.
    """
    try:
        logits: npt.NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        raise DataError(f"{path} holds no logits: {error}; {_AGAIN}") from None
    if not isinstance(logits, np.ndarray) or logits.ndim != 2 or logits.dtype != np.float32:
        raise DataError(f"{path} must hold float32 logits, one row per image, and holds others; {_AGAIN}")
    if not all(np.isfinite(logits[start : start + CHUNK]).all() for start in range(0, len(logits), CHUNK)):
        raise DataError(f"{path} holds logits that are not finite; {_AGAIN}")
    return logits
