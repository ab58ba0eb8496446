"""The kinds of number that knobs are, each with its bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from edgebuild.strict import Range

__all__ = ["Count", "Fraction", "Precision", "Rate", "Seed", "Size", "Temperature"]

Fraction = Annotated[float, Range(0.0, 1.0)]
Count = Annotated[int, Range(1, 1_000_000_000)]
Size = Annotated[int, Range(0, 1_000_000_000)]
Seed = Annotated[int, Range(0, 2**31 - 1)]
Rate = Annotated[float, Range(0.0, 10.0, open_low=True)]
Temperature = Annotated[float, Range(0.0, 1000.0, open_low=True)]
Precision = Literal["fp32", "fp16", "w8", "w4", "int8"]
