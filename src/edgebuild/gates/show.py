"""Rows for people: on a terminal, and as a comment on a pull request."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edgebuild.gates.rows import Row

__all__ = ["console", "markdown"]

COLOURS = {
    "failed": "bold red",
    "worse": "bold red",
    "not proven": "yellow",
    "not measured": "yellow",
    "not significant": "yellow",
    "not compared": "yellow",
}
#: Columns in a log, where nobody scrolls sideways.
LOG_WIDTH = 150

#: A heading, columns and rows.
Section = tuple[str, tuple[str, ...], Sequence[Row]]


def console(headline: str, sections: Sequence[Section], failed: bool) -> str:
    """The tables, what needs an explanation, and the result last, where one looks in a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    with terminal.capture() as captured:
        for heading, columns, rows in sections:
            table = Table(box=SIMPLE_HEAD, title=Text(heading), title_justify="left")
            for column in columns:
                left = column in (*columns[:2], "verdict")
                table.add_column(column, justify="left" if left else "right", no_wrap=True)
            before = ""
            for row in rows:
                variant, *cells, outcome = row.cells
                shown = Text("" if variant == before else variant)
                table.add_row(shown, *map(Text, cells), Text(outcome, COLOURS.get(outcome, "green")))
                before = variant
            terminal.print(table)
            for row in rows:
                if not row.good:
                    terminal.print(Text(f"  {row.sentence}"))
        terminal.print(Text(headline, "bold red" if failed else "bold green"))
    return captured.get()


def markdown(headline: str, sections: Sequence[Section], failed: bool) -> str:
    """The result first, then what failed or is in doubt; the rest is folded away."""
    lines = [f"{'❌' if failed else '✅'} **edgebuild check: {headline}**", ""]
    for heading, columns, rows in sections:
        noted = [row for row in rows if not row.good]
        if noted:
            lines += [f"**{heading}**", "", *_table((*columns, "note"), noted, notes=True), ""]
    for heading, columns, rows in sections:
        good = [row for row in rows if row.good]
        if good:
            lines += ["<details>", f"<summary>{heading}: {len(good)} in order</summary>", ""]
            lines += [*_table(columns, good, notes=False), "", "</details>", ""]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Sequence[Row], notes: bool) -> list[str]:
    rule = [
        ":--" if column in ("variant", "budget", "figure", "verdict", "note") else "--:" for column in columns
    ]
    cells = [(*_emphasized(row), row.note) if notes else row.cells for row in rows]
    return [_line(columns), _line(rule), *map(_line, cells)]


def _emphasized(row: Row) -> tuple[str, ...]:
    return (*row.cells[:-1], f"**{row.cells[-1]}**" if row.fails else row.cells[-1])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
