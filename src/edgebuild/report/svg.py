"""A small writer of inline SVG: elements, escaped; axes; bytes that depend on the numbers only.

Colours are classes, so that the page's style sheet can follow the reader's
light or dark scheme, and print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = ["Axis", "element", "figure", "linear", "logarithmic", "text"]


def element(name: str, *children: object, **attributes: object) -> Markup:
    """``<name …>children</name>``: ``class_`` is written class, ``_`` as a hyphen, coordinates with two decimals."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"' for key, value in attributes.items()
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")  # noqa: S704 - all escaped


def text(x: float, y: float, content: str, *, anchor: str = "start", class_: str = "") -> Markup:
    """Text whose baseline starts, is centred or ends at (x, y)."""
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def figure(width: float, height: float, name: str, description: str, children: Iterable[Markup]) -> Markup:
    """A whole picture. ``name`` and ``description`` are what a screen reader says."""
    return element(
        "svg",
        element("desc", description),
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"{name}. {description}",
        class_="chart",
    )


@dataclass(frozen=True)
class Axis:
    """Where a value lies between pixel ``start`` and ``end``, and which values are marked."""

    place: Callable[[float], float]
    ticks: tuple[float, ...]


def linear(low: float, high: float, start: float, end: float, count: int = 5) -> Axis:
    """About ``count`` ticks at multiples of 1, 2 or 5 times a power of ten."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(round(index * step, 10) for index in range(first, last + 1))
    return Axis(lambda value: start + (value - low) / span * (end - start), ticks)


def logarithmic(low: float, high: float, start: float, end: float) -> Axis:
    """Ticks at 1, 2 and 5 of each decade, or at powers of ten only where those were too many."""
    base, span = math.log10(low), math.log10(high / low)
    decades = range(math.floor(base), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if span < 2.2 else (1, 3) if span < 3 else (1,)
    ticks = (factor * 10.0**decade for decade in decades for factor in factors)
    return Axis(
        lambda value: start + (math.log10(value) - base) / span * (end - start),
        tuple(tick for tick in ticks if low <= tick <= high),
    )


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
