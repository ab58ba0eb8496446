"""How every figure looks: one palette, one style, labels that do not overlap, stable bytes.

Colour says format and marker says precision. The bytes of a figure are the
same in every process: a private style, the Agg backend, no date and no
software version in the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = [
    "COLOURS",
    "GREY",
    "MARKERS",
    "MODEL_COLOURS",
    "NAMES",
    "capital",
    "decade_ticks",
    "figure",
    "label",
    "line_key",
    "marker_key",
]

#: Okabe and Ito's palette: told apart with any colour vision, and in print.
COLOURS: Mapping[str, str] = {"keras": "#555555", "litert": "#0072B2", "onnx": "#D55E00", "coreml": "#009E73"}
NAMES: Mapping[str, str] = {"keras": "Keras", "litert": "LiteRT", "onnx": "ONNX", "coreml": "Core ML"}
MARKERS: Mapping[str, str] = {"fp32": "o", "fp16": "s", "w8": "D", "int8": "^", "w4": "v"}
MODEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
GREY = "#666666"

STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",  # the one that matplotlib brings along
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "edgebuild",
}

XY = tuple[float, float]
Box = tuple[float, float, float, float]  #: left, bottom, right, top, in pixels

#: Where a label may stand: directions in degrees, then ever further away, in pixels at 100 dpi.
ANGLES = (135, 90, 45, 180, 0, 225, 270, 315)
DISTANCES = (14, 24, 36, 50, 66)


def capital(text: str) -> str:
    """``text`` with a capital first letter, and the rest as it is: "AUC" stays."""
    return text[:1].upper() + text[1:]


@contextmanager
def figure(path: Path, width: float, height: float, columns: int = 1) -> Iterator[tuple[Axes, ...]]:
    """``columns`` axes in a row, to draw on; ``path`` is written at the end. Sizes are in inches."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not the user's style. The backend is no style either, and setting it would outlast the context.
    settings: dict[Any, Any] = {key: mpl.rcParamsDefault[key] for key in mpl.rcParams if "backend" not in key}
    settings.update(STYLE)
    with mpl.rc_context(settings):
        drawn = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(drawn)
        yield tuple(drawn.subplots(1, columns, squeeze=False)[0])
        drawn.savefig(path, format="png", metadata={"Software": None})


def label(axes: Axes, texts: Sequence[tuple[str, XY]], points: Sequence[XY]) -> None:
    """Write each text beside its point, where it covers none of ``points`` and no other text.

    Points are in data coordinates. Greedy, in the order given; a text for which there is no room is left out,
    and colour and marker still say which point it is.
    """
    whole = axes.get_figure(root=True)
    if whole is None:
        raise ValueError("the axes must be part of a figure")
    whole.draw_without_rendering()  # settles the layout: positions in pixels are final from here
    unit = whole.dpi / 100
    centres = [axes.transData.transform(point) for point in points]
    taken: list[Box] = [(x - 10 * unit, y - 10 * unit, x + 10 * unit, y + 10 * unit) for x, y in centres]
    frame = axes.get_window_extent()
    for text, point in texts:
        x, y = axes.transData.transform(point)
        # 8 point DejaVu Sans: 5.6 pixels a letter at 100 dots per inch, generously.
        width, height = (5.6 * len(text) + 4) * unit, 14 * unit
        boxes = (
            _beside(x, y, angle, distance * unit, width, height) for distance in DISTANCES for angle in ANGLES
        )
        for box in boxes:
            inside = frame.x0 < box[0] and box[2] < frame.x1 and frame.y0 < box[1] and box[3] < frame.y1
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                _write(axes, text, point, box)
                break


def _write(axes: Axes, text: str, point: XY, box: Box) -> None:
    x, y = axes.transData.inverted().transform(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    axes.annotate(
        text,
        point,
        xytext=(float(x), float(y)),
        size=8,
        ha="center",
        va="center",
        color="#222222",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
        arrowprops={"arrowstyle": "-", "color": "#777777", "lw": 0.7, "shrinkA": 0, "shrinkB": 5},
        zorder=4,
    )


def _beside(x: float, y: float, angle: int, distance: float, width: float, height: float) -> Box:
    """A box beside (x, y) in the direction ``angle`` (degrees), its near edge ``distance`` pixels away."""
    dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    centre_x = x + dx * distance + (width / 2 if dx > 0.3 else -width / 2 if dx < -0.3 else 0)
    centre_y = y + dy * (distance + height / 2)
    return centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def decade_ticks(axes: Axes, costs: Sequence[float]) -> None:
    """1, 2 and 5 of each decade as plain numbers, with room at both ends."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xlim(min(costs) / 1.3, max(costs) * 1.5)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def marker_key(marker: str, colour: str, label: str, *, edge: str = "white") -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker=marker, color=colour, ls="none", ms=7, mec=edge, mew=0.9, label=label)


def line_key(style: Any, label: str, *, colour: str = GREY, width: float = 1.6) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, ls=style, lw=width, label=label)
