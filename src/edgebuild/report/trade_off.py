"""The picture of accuracy against a cost: every variant, its interval, and the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from edgebuild.measure.figure import NAMES, capital
from edgebuild.measure.pareto import Point, front
from edgebuild.report.numbers import number, percent
from edgebuild.report.svg import element, figure, linear, logarithmic, text

__all__ = ["marker", "trade_off"]

WIDTH, HEIGHT = 440.0, 330.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 432.0, 10.0, 286.0
LETTER, LINE = 7.9, 16.0  # of 13-pixel text, generously

Box = tuple[float, float, float, float]  #: left, top, right, bottom


def trade_off(
    given: Sequence[Point], *, cost: str, unit: Callable[[float], str], quality: str = "accuracy"
) -> Markup:
    """Draw ``given``; colour says format and shape says precision, as the page's key explains.

    Args:
        given: at least one point.
        cost: the horizontal axis, logarithmic.
        unit: a cost as text, for the tooltips.
        quality: what the task calls the vertical axis.
    """
    best = front(given)
    costs = [point.cost for point in given]
    across = logarithmic(min(costs) / 1.4, max(costs) * 1.6, LEFT, RIGHT)
    low, high = 100 * min(p.low for p in given), 100 * max(p.high for p in given)
    room = max(0.08 * (high - low), 0.05)
    up = linear(low - room, min(high + room, 100 + room), BOTTOM, TOP)
    places = {point.id: (across.place(point.cost), up.place(100 * point.accuracy)) for point in given}

    drawn = [*_axes(across.ticks, across.place, up.ticks, up.place, cost, quality)]
    drawn.append(element("path", d=_steps([places[p.id] for p in best]), class_="front"))
    for point in given:
        x, _ = places[point.id]
        ends = (up.place(100 * point.low), up.place(100 * point.high))
        drawn.append(element("line", x1=x, y1=ends[0], x2=x, y2=ends[1], class_=f"whisker {point.format}"))
    for point in given:
        interval = f"{percent(point.low, 1)} to {percent(point.high, 1)}"
        said = f"{point.id}: {percent(point.accuracy)} ({interval}), {unit(point.cost)}"
        drawn.append(
            element("g", element("title", said), marker(*places[point.id], point.format, point.precision))
        )
    drawn += _labels([(_name(point), places[point.id]) for point in best], list(places.values()))
    listed = "; ".join(f"{point.id} {percent(point.accuracy)} at {unit(point.cost)}" for point in best)
    return figure(
        WIDTH, HEIGHT, f"{capital(quality)} against {cost}", f"Nothing beats these in both: {listed}.", drawn
    )


def marker(x: float, y: float, format: str, precision: str, size: float = 6.0) -> Markup:
    """The mark of a variant: circle fp32, square fp16, diamond w8, triangle up int8 and down w4."""
    if precision == "fp32":
        return element("circle", cx=x, cy=y, r=size * 0.95, class_=f"mark {format}")
    corners = {
        "fp16": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
        "w8": ((0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)),
        "int8": ((0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
        "w4": ((0.0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
    }[precision]
    points = " ".join(f"{x + size * dx:.2f},{y + size * dy:.2f}" for dx, dy in corners)
    return element("polygon", points=points, class_=f"mark {format}")


def _name(point: Point) -> str:
    return f"{point.model} {NAMES.get(point.format, point.format)} {point.precision}"


def _axes(
    xs: Sequence[float],
    x_at: Callable[[float], float],
    ys: Sequence[float],
    y_at: Callable[[float], float],
    cost: str,
    quality: str,
) -> list[Markup]:
    drawn = []
    for value in xs:
        drawn.append(element("line", x1=x_at(value), y1=TOP, x2=x_at(value), y2=BOTTOM, class_="grid"))
        drawn.append(text(x_at(value), BOTTOM + 18, number(value, 3), anchor="middle"))
    for value in ys:
        drawn.append(element("line", x1=LEFT, y1=y_at(value), x2=RIGHT, y2=y_at(value), class_="grid"))
        drawn.append(text(LEFT - 7, y_at(value) + 4, f"{value:g}", anchor="end"))
    drawn.append(text((LEFT + RIGHT) / 2, BOTTOM + 39, cost, anchor="middle", class_="strong"))
    middle = (TOP + BOTTOM) / 2
    drawn.append(
        element(
            "text", f"{quality} on the test split, %", x=0, y=0, text_anchor="middle", class_="strong",
            transform=f"translate(13 {middle:.2f}) rotate(-90)",
        )
    )  # fmt: skip
    return drawn


def _steps(places: Sequence[tuple[float, float]]) -> str:
    """The best accuracy that is to be had up to each cost."""
    (x, y), *others = places
    path = [f"M{x:.2f} {y:.2f}", *(f"H{to_x:.2f}V{to_y:.2f}" for to_x, to_y in others), f"H{RIGHT:.2f}"]
    return "".join(path)


def _labels(
    named: Sequence[tuple[str, tuple[float, float]]], points: Sequence[tuple[float, float]]
) -> list[Markup]:
    """A name beside each place, covering no point and no other name; left out where there is no room."""
    taken: list[Box] = [(x - 8, y - 8, x + 8, y + 8) for x, y in points]
    drawn = []
    for name, (x, y) in named:
        width = LETTER * len(name)
        for distance in (14, 26, 40, 56, 74, 94):
            boxes = [_box(x, y, math.radians(angle), distance, width) for angle in range(-90, 270, 30)]
            free = [box for box in boxes if _inside(box) and not any(_overlap(box, other) for other in taken)]
            if free:
                box = free[0]
                taken.append(box)
                near = min(max(x, box[0]), box[2]), box[1] if box[1] > y else min(y, box[3])
                drawn.append(element("line", x1=x, y1=y, x2=near[0], y2=near[1], class_="leader"))
                drawn.append(text((box[0] + box[2]) / 2, box[3] - 4, name, anchor="middle", class_="label"))
                break
    return drawn


def _box(x: float, y: float, angle: float, distance: float, width: float) -> Box:
    dx, dy = math.cos(angle), math.sin(angle)
    centre_x, centre_y = x + dx * (distance + width / 2), y + dy * (distance + LINE / 2)
    return centre_x - width / 2, centre_y - LINE / 2, centre_x + width / 2, centre_y + LINE / 2


def _inside(box: Box) -> bool:
    return box[0] > LEFT and box[2] < RIGHT and box[1] > TOP and box[3] < BOTTOM


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
