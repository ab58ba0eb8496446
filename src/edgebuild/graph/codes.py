"""Between real numbers and the int8 codes of a grid.

``real = scale · (code - zero_point)``, after Jacob et al. 2018, "Quantization
and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 2.1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import Grid

__all__ = ["code_bounds", "codes", "real"]

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]


def codes(values: Floats, grid: Grid) -> Codes:
    """The int8 codes of real values: round half to even, then saturate."""
    rounded = np.rint(values / np.float32(grid.scale)) + grid.zero_point
    return np.asarray(np.clip(rounded, -128, 127), np.int8)


def real(values: Codes, grid: Grid) -> Floats:
    """The real values that int8 codes stand for."""
    return (values.astype(np.float32) - np.float32(grid.zero_point)) * np.float32(grid.scale)


def code_bounds(activation: str, grid: Grid) -> tuple[int, int]:
    """The lowest and the highest code that a fused activation lets through."""
    if activation == "none":
        return -128, 127
    high = 127
    if activation == "relu6":
        high = min(high, int(np.rint(np.float32(6) / np.float32(grid.scale))) + grid.zero_point)
    return max(-128, grid.zero_point), high
