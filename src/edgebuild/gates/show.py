"""What a check found, for people: on a terminal, and as a comment on a pull request."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edgebuild.gates.rows import Checked, Row

__all__ = ["console", "markdown"]

BUDGETS = ("variant", "budget", "limit", "found", "interval", "margin", "verdict")
CHANGES = ("variant", "figure", "before", "now", "worse by", "interval", "p", "verdict")
#: Columns of words; the others are numbers.
WORDS = ("variant", "budget", "figure", "verdict", "note")
#: Columns in a log, where nobody scrolls sideways.
LOG_WIDTH = 150

#: A heading, columns and rows.
Section = tuple[str, tuple[str, ...], list[Row]]


def console(checked: Checked) -> str:
    """The tables, what needs an explanation, and the result last, where one looks in a terminal.

    What is the same in both revisions is only counted.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    with terminal.capture() as captured:
        for heading, columns, rows in _sections(checked):
            table = Table(box=SIMPLE_HEAD, title=Text(heading), title_justify="left")
            for column in columns:
                table.add_column(column, justify="left" if column in WORDS else "right", no_wrap=True)
            before = ""
            shown_rows = [row for row in rows if row.outcome != "same"]
            for row in shown_rows:
                shown = "" if row.variant == before else row.variant
                table.add_row(shown, row.what, *row.cells, Text(row.outcome, _colour(row)))
                before = row.variant
            if shown_rows:
                terminal.print(table)
            if len(shown_rows) < len(rows):
                terminal.print(Text(f"{heading}: {len(rows) - len(shown_rows)} figures are the same"))
            for row in rows:
                if not row.good:
                    terminal.print(Text(f"  {row.sentence}"))
        terminal.print(Text(checked.headline, "bold red" if checked.failed else "bold green"))
    return captured.get()


def _colour(row: Row) -> str:
    return "bold red" if row.fails else "green" if row.good else "yellow"


def markdown(checked: Checked) -> str:
    """The result first, then what failed or is in doubt; the rest is folded away."""
    lines = [f"{'❌' if checked.failed else '✅'} **edgebuild check: {checked.headline}**", ""]
    for heading, columns, rows in _sections(checked):
        noted = [row for row in rows if not row.good]
        if noted:
            cells = [(*_cells(row), row.note) for row in noted]
            lines += [f"**{heading}**", "", *_table((*columns, "note"), cells), ""]
    for heading, columns, rows in _sections(checked):
        good = [_cells(row) for row in rows if row.good]
        if good:
            lines += ["<details>", f"<summary>{heading}: {len(good)} in order</summary>", ""]
            lines += [*_table(columns, good), "", "</details>", ""]
    return "\n".join(lines)


def _sections(checked: Checked) -> list[Section]:
    sections: list[Section] = []
    if checked.verdicts:
        sections.append(("Budgets", BUDGETS, checked.budgets))
    if checked.against is not None:
        sections.append((f"Against {checked.against}", CHANGES, checked.compared))
    return sections


def _cells(row: Row) -> tuple[str, ...]:
    return (row.variant, row.what, *row.cells, f"**{row.outcome}**" if row.fails else row.outcome)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = [":--" if column in WORDS else "--:" for column in columns]
    return [_line(columns), _line(rule), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
