"""Distillation: what the student is compared with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError

if TYPE_CHECKING:
    from edgebuild.train.loop import Recipe

__all__ = ["teacher_of"]

_AGAIN = "delete it and run dvc repro"


def teacher_of(model: Any, logits: Path, recipe: Recipe) -> Callable[[Any], Any] | npt.NDArray[np.float32]:
    """What :func:`edgebuild.train.loop.fit` takes as ``teacher``.

    Without augmentation every epoch shows the same images, so the logits that
    the teacher's own stage wrote are used, float32 ``(n, classes)``. With it
    the teacher looks at each augmented batch itself.

    Raises:
        DataError: the file of logits is missing or damaged.
    """
    if recipe.shift or recipe.flip:
        return lambda images: model(images, training=False)
    try:
        cached: npt.NDArray[np.float32] = np.load(logits, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{logits} holds no logits: {error}; {_AGAIN}") from None
    if not isinstance(cached, np.ndarray) or cached.ndim != 2 or cached.dtype != np.float32:
        raise DataError(f"{logits} must hold float32 logits, one row per image, and holds others; {_AGAIN}")
    if not np.isfinite(cached).all():
        raise DataError(f"{logits} holds logits that are not finite; {_AGAIN}")
    return cached
