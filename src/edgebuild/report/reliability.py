"""The reliability diagram: accuracy of each confidence bin against the bin's confidence."""

from __future__ import annotations

from markupsafe import Markup

from edgebuild.report.calibration import Calibration
from edgebuild.report.numbers import percent
from edgebuild.report.svg import element, figure, text

__all__ = ["reliability"]

SIDE, LEFT, TOP = 240.0, 44.0, 12.0
STRIP, GAP = 46.0, 12.0  # the histogram of confidences below


def reliability(found: Calibration, name: str) -> Markup:
    """A bar per bin up to its accuracy, the gap to its mean confidence, and below how many images it has.

    A gap is of class ``over`` where confidence was claimed in vain, and ``under`` where more is right than claimed.
    """
    bottom = TOP + SIDE
    strip = bottom + GAP + STRIP
    images = sum(part.images for part in found.bins)
    drawn = [*_frame(bottom, strip)]
    for part in found.bins:
        if not part.images:
            continue
        x, width = LEFT + part.low * SIDE, (part.high - part.low) * SIDE
        low, high = sorted((part.accuracy, part.confidence))
        gap = "gap over" if part.confidence > part.accuracy else "gap under"
        share = part.images / images
        said = (
            f"confidence {percent(part.low, 0)} to {percent(part.high, 0)}: {part.images:,} images, "
            f"mean confidence {percent(part.confidence, 1)}, accuracy {percent(part.accuracy, 1)}"
        )
        drawn.append(
            element(
                "g",
                element("title", said),
                _bar(x, bottom - low * SIDE, width, low * SIDE, "bar"),
                _bar(x, bottom - high * SIDE, width, (high - low) * SIDE, gap),
                _bar(x, strip - share * STRIP, width, share * STRIP, "bar"),
                text(
                    x + width / 2,
                    strip - share * STRIP - 3,
                    f"{part.images:,}",
                    anchor="middle",
                    class_="small",
                ),
            )
        )
    drawn.append(element("line", x1=LEFT, y1=bottom, x2=LEFT + SIDE, y2=TOP, class_="diagonal"))
    described = (
        f"Expected calibration error {percent(found.error)}, mean confidence {percent(found.confidence, 1)}, "
        f"accuracy {percent(found.accuracy, 1)}."
    )
    return figure(LEFT + SIDE + 14, strip + 40, f"Reliability diagram of {name}", described, drawn)


def _frame(bottom: float, strip: float) -> list[Markup]:
    drawn = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = LEFT + value * SIDE, bottom - value * SIDE
        drawn.append(element("line", x1=LEFT, y1=y, x2=LEFT + SIDE, y2=y, class_="grid"))
        drawn.append(text(LEFT - 6, y + 4, f"{100 * value:g}", anchor="end"))
        drawn.append(text(x, strip + 16, f"{100 * value:g}", anchor="middle"))
    drawn.append(element("line", x1=LEFT, y1=strip, x2=LEFT + SIDE, y2=strip, class_="axis"))
    drawn.append(text(LEFT + SIDE / 2, strip + 34, "confidence, %", anchor="middle", class_="strong"))
    turned = f"translate(12 {(TOP + bottom) / 2:.2f}) rotate(-90)"
    drawn.append(
        element("text", "accuracy, %", x=0, y=0, text_anchor="middle", class_="strong", transform=turned)
    )
    return drawn


def _bar(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    return element("rect", x=x + 1, y=y, width=width - 2, height=max(height, 0.0), class_=class_)
