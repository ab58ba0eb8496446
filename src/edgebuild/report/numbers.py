"""Numbers as people read them."""

from __future__ import annotations

import numpy as np

__all__ = ["kib", "microseconds", "number", "percent", "times", "usd"]


def number(value: float, digits: int = 4) -> str:
    """``digits`` significant ones, never an exponent: 150,000,000; 138.9; 0.00749."""
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−")
    text = np.format_float_positional(value, precision=digits, unique=False, fractional=False, trim="-")
    return text.replace("-", "−")


def percent(share: float, decimals: int = 2) -> str:
    """0.9925 → 99.25%."""
    return f"{100 * share:.{decimals}f}%".replace("-", "−")


def times(before: float, after: float) -> str:
    """How many times smaller or faster: three digits."""
    return number(before / after, 3)


def kib(count: float) -> str:
    """Bytes as KiB, or as MiB from one on."""
    return f"{number(count / 2**20, 3)} MiB" if count >= 2**20 else f"{number(count / 1024, 3)} KiB"


def microseconds(value: float) -> str:
    """µs, or ms from one on."""
    return f"{number(value / 1000, 3)} ms" if value >= 1000 else f"{number(value, 3)} µs"


def usd(value: float) -> str:
    """Whole dollars from 100 on, cents below, four digits below a cent."""
    if 0 < abs(value) < 0.01:
        return f"${number(value, 3)}"
    return f"${value:,.0f}" if abs(value) >= 100 else f"${value:,.2f}"
