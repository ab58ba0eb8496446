"""The table of variants: one set of rows, shown as Markdown or on the console."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import rich.table

__all__ = ["COLUMNS", "Table", "console", "markdown", "show", "table"]

#: Those of a classification; other tasks call the second one by their quality.
COLUMNS = (
    "variant",
    "accuracy % (95% CI)",
    "drop",
    "agreement %",
    "KiB",
    "gzip KiB",
    "p50 µs",
    "× smaller",
    "× faster",
)
NONE = "–"


@dataclass(frozen=True)
class Table:
    """Rows of strings, one per variant, and the footnotes they refer to."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def table(summary: Mapping[str, Any], latency: Mapping[str, Any]) -> Table:
    """Join metrics/summary.json and metrics/latency.json; variants keep the summary's order.

    The drop is in percentage points against the reference. Agreement is with
    the Keras model that a variant was exported from. "Smaller" and "faster"
    compare with the reference's model in the same format and fp32, so a
    format is never credited with the difference between two runtimes.
    """
    times = {entry["id"]: entry for entry in latency["variants"]}
    teacher = next(entry["model"] for entry in summary["variants"] if entry["id"] == summary["reference"])
    peers = {
        entry["format"]: entry
        for entry in summary["variants"]
        if entry["model"] == teacher and entry["precision"] == "fp32"
    }
    quality = summary.get("quality", "accuracy")  # summaries of builds before there were tasks have none
    reasons: list[str] = []
    rows = tuple(_row(entry, times, peers.get(entry["format"]), reasons) for entry in summary["variants"])
    same = "class" if quality == "accuracy" else "decision"
    legend = (
        f"drop: percentage points against {summary['reference']}; agreement: same {same} as the Keras model "
        f"exported from; × smaller, × faster: than {teacher} fp32 in the same format."
    )
    not_run = (f"[{number}] not run: {reason}" for number, reason in enumerate(reasons, start=1))
    columns = (COLUMNS[0], f"{quality} % (95% CI)", *COLUMNS[2:])
    return Table(columns, rows, (legend, *not_run))


def markdown(shown: Table) -> str:
    """``shown`` as a GitHub table with its notes below, ending in a newline."""
    widths = [max(map(len, column)) for column in zip(shown.columns, *shown.rows, strict=True)]
    rule = [
        ":" + "-" * (width - 1) if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)
    ]
    lines = [_line(shown.columns, widths), _line(rule, widths), *(_line(row, widths) for row in shown.rows)]
    return "\n".join(lines) + "\n\n" + "\n".join(f"{note}  " for note in shown.notes) + "\n"


def console(shown: Table) -> rich.table.Table:
    """``shown`` for a terminal: numbers to the right, the notes as its caption."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    built = RichTable(box=SIMPLE_HEAD, caption=Text("\n".join(shown.notes)), caption_justify="left")
    for index, column in enumerate(shown.columns):
        built.add_column(column, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for row in shown.rows:
        built.add_row(*map(Text, row))  # Text: "[1]" is a footnote here and not rich's markup
    return built


def show(shown: Table) -> None:
    """Print ``shown``; in a log, where nobody scrolls sideways, as wide as it has to be."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 140
    screen = Console(width=width)
    with screen.capture() as captured:  # on a pipe that nobody reads rich itself would end the process
        screen.print(console(shown))
    print(captured.get(), end="")


def _row(
    entry: Mapping[str, Any], times: Mapping[str, Any], peer: Mapping[str, Any] | None, reasons: list[str]
) -> tuple[str, ...]:
    low, high = entry["accuracy_ci95"]
    agreement = entry["agreement_with_source"]
    return (
        entry["id"],
        f"{100 * entry['accuracy']:.2f} ({100 * low:.1f}–{100 * high:.1f})",
        f"{100 * entry['accuracy_drop']:z.2f}".replace("-", "−"),
        NONE if agreement is None else _percent_down(agreement),
        f"{entry['size_bytes'] / 1024:.1f}",
        f"{entry['gzip_bytes'] / 1024:.1f}",
        _p50(times.get(entry["id"]), reasons),
        NONE if peer is None else _times(peer["size_bytes"], entry["size_bytes"]),
        NONE if peer is None else _times(_value(times, peer["id"]), _value(times, entry["id"])),
    )


def _percent_down(share: float) -> str:
    """Rounded down, so that "100.00" means every image."""
    return f"{int(share * 10_000 + 1e-6) / 100:.2f}"


def _p50(time: Mapping[str, Any] | None, reasons: list[str]) -> str:
    reason = "it was not benchmarked" if time is None else time["not_run"]
    if reason is None and time is not None:
        return _significant(time["latency_us"]["p50"])
    if reason not in reasons:
        reasons.append(reason)
    return f"not run [{reasons.index(reason) + 1}]"


def _value(times: Mapping[str, Any], name: str) -> float | None:
    time = times.get(name)
    return None if time is None or time["latency_us"] is None else time["latency_us"]["p50"]


def _times(before: float | None, after: float | None) -> str:
    return NONE if not before or not after else _significant(before / after)


def _significant(value: float) -> str:
    """Three digits or so: 4.57, 45.7, 457, 4,570."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _line(cells: tuple[str, ...] | list[str], widths: list[int]) -> str:
    padded = [
        cells[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
    ]
    return f"| {' | '.join(padded)} |"
