"""Pictures of answers beside the truth: histograms, ROC curves, predicted against true values, precision and recall."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from edgebuild.report.numbers import number, percent
from edgebuild.report.svg import Axis, element, figure, linear, text

__all__ = ["errors", "precision_recall", "roc", "scatter", "scores"]

Doubles = npt.NDArray[np.floating]

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 310.0, 300.0, 52.0, 12.0, 298.0, 252.0
BINS = 30
#: More points are not seen apart, and make the page heavy.
POINTS = 500
LETTER, ROW = 7.6, 24.0


def scatter(true: Doubles, predicted: Doubles, *, tolerance: float, name: str, what: str) -> Markup:
    """Predicted over true values ``(n,)`` of one target, with the band of the tolerance."""
    low, high = _ends(np.concatenate([true, predicted]))
    across, up = linear(low, high, LEFT, RIGHT), linear(low, high, BOTTOM, TOP)
    drawn = [*_grid(across, up), *_titles(f"true {what}", f"predicted {what}")]
    # The corners of the band, cut off by the frame.
    reach = min(tolerance, high - low)
    above, below = (
        [(low, low), (low, low + reach), (high - reach, high)],
        [(high, high), (high, high - reach)],
    )
    band = [*above, *below, (low + reach, low)]
    corners = " ".join(f"{across.place(x):.2f},{up.place(y):.2f}" for x, y in band)
    drawn.append(element("polygon", points=corners, class_="under"))
    drawn.append(
        _line([(across.place(low), up.place(low)), (across.place(high), up.place(high))], "diagonal")
    )
    shown = np.linspace(0, len(true) - 1, min(len(true), POINTS)).astype(int)
    drawn += [
        element(
            "circle", cx=across.place(float(true[at])), cy=up.place(float(predicted[at])), r=2.2, class_="dot"
        )
        for at in shown
    ]
    told = f"{len(true):,} examples; {percent(float((np.abs(true - predicted) <= tolerance).mean()))} within tolerance."
    return figure(WIDTH, HEIGHT, f"Predicted against true {what}, {name}", told, drawn)


def errors(error: Doubles, *, tolerance: float, name: str, what: str) -> Markup:
    """How often which error ``(n,)`` occurs; what is beyond the tolerance is of class ``over``."""
    reach = max(float(np.abs(error).max()), tolerance) * 1.02
    # The tolerance is an edge, so that no bar holds both kinds.
    width = tolerance / max(1, round(BINS / 2 * tolerance / reach))
    sides = min(math.ceil(reach / width), 4 * BINS)
    edges = np.arange(-sides, sides + 1) * width
    inside = np.abs(error) <= tolerance
    return _histogram(
        edges, [(error[inside], "bar"), (error[~inside], "over")],
        name=f"Errors of {what}, {name}", across=f"predicted − true {what}",
        told=f"{int((~inside).sum()):,} of {len(error):,} are beyond the tolerance of {number(tolerance)}.",
    )  # fmt: skip


def scores(normal: Doubles, anomalous: Doubles, *, threshold: float, name: str) -> Markup:
    """Scores of normal examples and of anomalies (class ``over``), on a logarithmic axis, and the threshold."""
    logs = [np.log10(np.maximum(values, 1e-9)) for values in (normal, anomalous)]
    low, high = _ends(np.concatenate(logs))
    edges = np.linspace(low, high, BINS + 1)
    mark = float(np.log10(max(threshold, 1e-9)))
    return _histogram(
        edges, [(logs[0], "bar"), (logs[1], "over")], mark=mark,
        name=f"Scores, {name}", across="log₁₀ of the score",
        told=f"{len(normal):,} normal examples, {len(anomalous):,} anomalies; threshold {threshold:.3g}.",
    )  # fmt: skip


def roc(curves: Sequence[tuple[str, str, Doubles, Doubles]]) -> Markup:
    """ROC curves: each a name, a class of line, false and true positive rates."""
    across, up = linear(0, 100, LEFT, RIGHT), linear(0, 100, BOTTOM, TOP)
    drawn = [*_grid(across, up), *_titles("normal examples called anomalies, %", "anomalies found, %")]
    drawn.append(_line([(LEFT, BOTTOM), (RIGHT, TOP)], "diagonal"))
    for at, (name, class_, false, true) in enumerate(curves):
        places = [(across.place(100 * x), up.place(100 * y)) for x, y in zip(false, true, strict=True)]
        drawn.append(_line(places, f"curve {class_}"))
        y = BOTTOM - 16.0 * (len(curves) - at)
        drawn.append(_line([(RIGHT - 172, y - 4), (RIGHT - 152, y - 4)], f"curve {class_}"))
        drawn.append(text(RIGHT - 146, y, name, class_="small"))
    return figure(WIDTH, HEIGHT, "ROC curves", ", ".join(name for name, *_ in curves), drawn)


def precision_recall(rows: Sequence[tuple[str, float, float]], name: str) -> Markup:
    """A line per label from its precision (filled) to its recall (hollow)."""
    left = 16 + LETTER * min(max(len(label) for label, *_ in rows), 18)
    right, bottom = left + 210.0, TOP + ROW * len(rows)
    across = linear(0, 100, left, right, 4)
    drawn = []
    for value in across.ticks:
        x = across.place(value)
        drawn += [element("line", x1=x, y1=TOP, x2=x, y2=bottom, class_="grid")]
        drawn += [text(x, bottom + 16, f"{value:g}", anchor="middle")]
    for at, (label, precision, recall) in enumerate(rows):
        y = TOP + ROW * (at + 0.5)
        ends = across.place(100 * precision), across.place(100 * recall)
        drawn.append(text(left - 8, y + 4, label if len(label) <= 18 else f"{label[:17]}…", anchor="end"))
        drawn.append(
            element(
                "g",
                element("title", f"{label}: precision {percent(precision, 1)}, recall {percent(recall, 1)}"),
                element("line", x1=ends[0], y1=y, x2=ends[1], y2=y, class_="front"),
                element("circle", cx=ends[1], cy=y, r=5.5, class_="hollow"),
                element("circle", cx=ends[0], cy=y, r=4.5, class_="dot full"),
            )
        )
    drawn.append(
        text((left + right) / 2, bottom + 34, "precision ●, recall ○, %", anchor="middle", class_="strong")
    )
    return figure(right + 16, bottom + 42, f"Precision and recall, {name}", f"{len(rows)} labels", drawn)


def _histogram(
    edges: Doubles,
    parts: Sequence[tuple[Doubles, str]],
    *,
    name: str,
    across: str,
    told: str,
    mark: float | None = None,
) -> Markup:
    counts = [(np.histogram(values, edges)[0], class_) for values, class_ in parts]
    most = max(int(found.max()) for found, _ in counts) or 1
    x, up = linear(float(edges[0]), float(edges[-1]), LEFT, RIGHT, 5), linear(0, 1.06 * most, BOTTOM, TOP)
    drawn = [*_grid(x, up), *_titles(across, "examples")]
    for found, class_ in counts:
        for at, count in enumerate(found):
            if count:
                start, end, y = (
                    x.place(float(edges[at])),
                    x.place(float(edges[at + 1])),
                    up.place(float(count)),
                )
                drawn.append(
                    element(
                        "rect", x=start + 0.5, y=y, width=end - start - 1, height=BOTTOM - y, class_=class_
                    )
                )
    if mark is not None:
        drawn.append(_line([(x.place(mark), TOP), (x.place(mark), BOTTOM)], "diagonal"))
    return figure(WIDTH, HEIGHT, name, told, drawn)


def _ends(values: Doubles) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room


def _line(places: Sequence[tuple[float, float]], class_: str) -> Markup:
    joined = "L".join(f"{x:.2f} {y:.2f}" for x, y in places)
    return element("path", d=f"M{joined}", class_=class_)


def _grid(across: Axis, up: Axis) -> list[Markup]:
    drawn = []
    for value in across.ticks:
        x = across.place(value)
        drawn.append(element("line", x1=x, y1=TOP, x2=x, y2=BOTTOM, class_="grid"))
        drawn.append(text(x, BOTTOM + 17, number(value, 3), anchor="middle"))
    for value in up.ticks:
        y = up.place(value)
        drawn.append(element("line", x1=LEFT, y1=y, x2=RIGHT, y2=y, class_="grid"))
        drawn.append(text(LEFT - 6, y + 4, number(value, 3), anchor="end"))
    return drawn


def _titles(across: str, up: str) -> list[Markup]:
    turned = f"translate(12 {(TOP + BOTTOM) / 2:.2f}) rotate(-90)"
    return [
        text((LEFT + RIGHT) / 2, BOTTOM + 36, across, anchor="middle", class_="strong"),
        element("text", up, x=0, y=0, text_anchor="middle", class_="strong", transform=turned),
    ]
