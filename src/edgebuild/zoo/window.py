"""What a convolution sees: three pixels by three, or three steps of a signal.

Windows of sensors come as images that are one pixel wide, ``(time, 1, channels)``. A kernel of 3×3
would multiply zeros with two thirds of its weights there, so networks convolve along time alone.
"""

from __future__ import annotations

__all__ = ["window"]


def window(shape: tuple[int, int, int]) -> tuple[int, int]:
    """The kernel size for images of ``shape``, (height, width, channels)."""
    height, width, _ = shape
    return (3, 1) if width == 1 and height > 1 else (3, 3)
