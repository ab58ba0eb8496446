"""The PNGs of the report: training curves, trade-offs, confusion matrix, sizes.

:mod:`edgebuild.measure.figure` says how they look and why their bytes are stable.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgebuild.errors import Finding
from edgebuild.measure.figure import (
    COLOURS,
    GREY,
    MARKERS,
    MODEL_COLOURS,
    NAMES,
    capital,
    decade_ticks,
    figure,
    label,
    line_key,
    marker_key,
)
from edgebuild.measure.layers import Layer
from edgebuild.measure.pareto import Point, front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "confusion_matrix",
    "read_history",
    "sensitivity",
    "sizes",
    "trade_off",
    "training_curves",
]

History = Mapping[str, Sequence[float]]


def read_history(path: Path) -> dict[str, list[float]]:
    """The columns of one metrics/history/<model>.csv: a header, then a row per epoch.

    Raises:
        Finding: the file is missing, has no rows, no epoch, or a cell that is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}
    except (OSError, ValueError, TypeError) as error:
        raise Finding(
            f"{path} must be a table of numbers, one row per epoch, but: {error}; train again"
        ) from None
    if not columns.get("epoch"):
        raise Finding(f"{path} must have a row per epoch and a column epoch, but has not; train again")
    return columns


def training_curves(path: Path, histories: Mapping[str, History], *, quality: str = "accuracy") -> None:
    """Loss and accuracy (or what the task has in its place) per epoch: training dashed, validation solid."""
    from matplotlib.ticker import MaxNLocator

    with figure(path, 9.6, 3.8, columns=2) as (losses, accuracies):
        for colour, (model, history) in zip(_cycle(MODEL_COLOURS), histories.items(), strict=False):
            for axes, name in ((losses, "loss"), (accuracies, "accuracy")):
                scale = 100 if name == "accuracy" else 1
                for key, line in ((name, (0, (3, 1.5))), (f"val_{name}", "solid")):
                    if key in history:
                        values = scale * np.asarray(history[key], float)
                        solid = line == "solid"
                        label = model if solid else None
                        axes.plot(
                            history["epoch"],
                            values,
                            color=colour,
                            ls=line,
                            lw=1.8 if solid else 1.1,
                            marker="" if len(values) > 1 else "o" if solid else "x",
                            label=label,
                        )
        losses.set(title="Loss", xlabel="epoch", yscale="log")
        accuracies.set(title=capital(quality), xlabel="epoch", ylabel="%")
        _floor(
            accuracies,
            [100 * value for history in histories.values() for value in history.get("val_accuracy", ())],
        )
        for axes in (losses, accuracies):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        keys = [line_key("solid", "validation"), line_key((0, (3, 1.5)), "training")]
        losses.legend(handles=keys, loc="upper right")
        accuracies.legend(loc="lower right")


def trade_off(path: Path, given: Sequence[Point], *, cost: str, quality: str = "accuracy") -> None:
    """Quality against a cost on a logarithmic axis, with 95% intervals and the Pareto front.

    Only the front's points are labelled, with their model and precision.

    Raises:
        Finding: there are no points.
    """
    if not given:
        raise Finding(
            f"{quality} against {cost}: at least one measured variant is required, but there is none; benchmark one"
        )
    best = front(given)
    with figure(path, 8.0, 4.8) as (axes,):
        steps = [100 * point.accuracy for point in best]
        axes.step([point.cost for point in best], steps, where="post", color="#dddddd", lw=6, zorder=1)
        for point in given:
            middle = 100 * point.accuracy
            spread = [[middle - 100 * point.low], [100 * point.high - middle]]
            colour = COLOURS.get(point.format, GREY)
            axes.errorbar(point.cost, middle, yerr=spread, color=colour, lw=1, alpha=0.35, zorder=2)
            axes.plot(
                point.cost,
                middle,
                MARKERS.get(point.precision, "P"),
                color=colour,
                ms=8,
                mec="white",
                mew=0.8,
                zorder=3,
            )
        axes.set(
            title=f"{capital(quality)} against {cost.partition(',')[0]}",
            xlabel=cost,
            ylabel=f"{quality} on the test split, %",
            xscale="log",
        )
        decade_ticks(axes, [point.cost for point in given])
        handles = [
            marker_key("o", COLOURS[name], NAMES[name]) for name in COLOURS if _has(given, "format", name)
        ]
        handles += [
            marker_key(MARKERS[name], "white", name, edge=GREY)
            for name in MARKERS
            if _has(given, "precision", name)
        ]
        handles.append(line_key("solid", "Pareto front", colour="#dddddd", width=6))
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        names = [f"{point.model} {NAMES.get(point.format, point.format)} {point.precision}" for point in best]
        places = [(point.cost, 100 * point.accuracy) for point in best]
        label(
            axes,
            list(zip(names, places, strict=True)),
            [(point.cost, 100 * point.accuracy) for point in given],
        )


def confusion_matrix(
    path: Path, counts: npt.NDArray[np.int64], classes: Sequence[str], *, title: str
) -> None:
    """Shares per true class (row) as shades, with the share in % in each cell that is not empty."""
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.6, 0.52 * len(classes) + 1.6)
    with figure(path, side + 0.4, side) as (axes,):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        positions = range(len(classes))
        slanted = max(map(len, classes)) > 3
        axes.set_xticks(
            positions, classes, rotation=45 if slanted else 0, ha="right" if slanted else "center"
        )
        for name in axes.get_xticklabels():
            name.set_rotation_mode("anchor")
        axes.set_yticks(positions, classes)
        axes.set(title=title, xlabel="predicted", ylabel="true")
        axes.grid(visible=False)
        axes.tick_params(length=0)
        for row, column in np.argwhere(counts > 0):
            share = shares[row, column]
            text = "100" if share == 100 else f"{share:.1f}" if share < 10 else f"{share:.0f}"
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                size=8,
                color="white" if share > 55 else "#333333",
            )


def sizes(path: Path, given: Sequence[Point]) -> None:
    """A bar per variant, in the order given, on a logarithmic axis; ``cost`` is KiB."""
    with figure(path, 8.0, 0.28 * len(given) + 1.3) as (axes,):
        axes.barh(
            range(len(given)),
            [point.cost for point in given],
            color=[COLOURS.get(p.format, GREY) for p in given],
        )
        axes.set_yticks(range(len(given)), [point.id for point in given])
        axes.set(title="Size of each file", xlabel="KiB", xscale="log")
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_ylim(len(given) - 0.4, -0.6)
        decade_ticks(axes, [point.cost for point in given])
        axes.set_xlim(left=10 ** math.floor(math.log10(min(point.cost for point in given) / 1.01)))
        for at, point in enumerate(given):
            axes.annotate(
                _number(point.cost), (point.cost, at), (3, 0), textcoords="offset points", va="center", size=8
            )


def sensitivity(path: Path, given: Sequence[Layer]) -> None:
    """A bar per layer, the most sensitive first: the divergence that quantizing it alone causes."""
    with figure(path, 8.0, 0.28 * len(given) + 1.3) as (axes,):
        shown = [max(layer.divergence, 1e-9) for layer in given]
        colours = [GREY if layer.in_float else MODEL_COLOURS[0] for layer in given]
        axes.barh(range(len(given)), shown, color=colours)
        axes.set_yticks(range(len(given)), [layer.node for layer in given])
        axes.set(
            title="Sensitivity of each layer to int8",
            xlabel="KL divergence from float32, nats per image",
            xscale="log",
        )
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_ylim(len(given) - 0.4, -0.6)
        axes.set_xlim(left=min(shown) / 2)
        for at, layer in enumerate(given):
            told = f"{layer.divergence:.1e}" + (", stays in float32" if layer.in_float else "")
            axes.annotate(told, (shown[at], at), (3, 0), textcoords="offset points", va="center", size=8)


def _floor(axes: Axes, values: Sequence[float]) -> None:
    """Leave the first, meaningless epochs out of view where most of the curve lies high."""
    if values:
        axes.set_ylim(max(0.0, np.percentile(values, 10) - 10), 100.5)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _has(given: Sequence[Point], field: str, value: str) -> bool:
    return any(getattr(point, field) == value for point in given)


def _cycle(colours: Sequence[str]) -> Iterator[str]:
    while True:
        yield from colours
