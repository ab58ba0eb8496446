"""Section ``quantize`` of params.yaml: how the integer grid is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from edgebuild.params.kinds import Count, Fraction
from edgebuild.strict import Range

__all__ = ["Quantize"]


@dataclass(frozen=True)
class Quantize:
    """How the integer grid is found."""

    samples: Count  #: calibration images used, the first ones of the split
    ranges: Literal["minmax", "percentile", "mse"]
    percentile: Annotated[float, Range(50.0, 100.0, open_low=True)]  #: used where ranges is "percentile"
    equalize: bool  #: move weight ranges between layers until they are alike (int8)
    correct_bias: bool  #: put the mean error of each channel into its bias
    budget: Fraction  #: share of calibration labels that int8 may change; beyond it layers stay in float32

    def problems(self, calibration: int) -> list[str]:
        """What is wrong where data.calibration is ``calibration``, a line each; 0 leaves the size to the data."""
        if 0 < calibration < self.samples:
            return [
                f"quantize.samples: {self.samples} is out of range; data.calibration sets {calibration} examples "
                f"aside, so at most so many can be used"
            ]
        return []
