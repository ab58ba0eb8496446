"""Section ``data`` of params.yaml: which data, and how it is split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgebuild.params.kinds import Count, Seed, Size

__all__ = ["Data"]


@dataclass(frozen=True)
class Data:
    """Which data, and how it is split; every split is stratified by class."""

    source: Literal["digits", "fashion_mnist"]
    folder: str  #: where the source's files lie; "" lets the source decide
    download: bool  #: may the source fetch its files?
    validation: Count  #: images taken from the training part to watch trainings
    calibration: Count  #: images taken from the training part to find activation ranges
    test: Size  #: images to judge on; 0 takes the source's whole official test part
    seed: Seed
