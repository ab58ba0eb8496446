"""Whether a data set can be split as asked, found out from its labels before a single file is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgebuild.data.images import Labels
from edgebuild.data.split import Draw
from edgebuild.sources.prepare import prepare
from edgebuild.sources.source import source
from edgebuild.sources.targets import suited

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["rehearse"]


def rehearse(
    params: Data,
    task: str,
    labels: Labels,
    classes: tuple[str, ...],
    *,
    where: str,
    groups: Sequence[object] | None = None,
    split: Sequence[str] | None = None,
) -> dict[str, Draw]:
    """Draw the splits of images that are not there: which examples each will hold.

    Raises:
        DataError: what preparing the real ones would raise, much later.
    """
    nothing = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (len(labels), 1, 1, 1))
    whole = source(nothing, labels, scale=1 / 255, classes=classes, where=where, groups=groups, split=split)
    return prepare(
        suited(whole, task),
        task=task,
        validation=params.validation,
        calibration=params.calibration,
        test=params.test,
        seed=params.seed,
    )
