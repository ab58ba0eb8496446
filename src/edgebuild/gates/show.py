"""What a check found, for people: on a terminal, and as a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgebuild.gates.rows import Checked, Row

if TYPE_CHECKING:
    import rich.table

__all__ = ["console", "markdown"]

BUDGETS = ("variant", "budget", "limit", "found", "interval", "margin", "verdict")
CHANGES = ("variant", "figure", "before", "now", "worse by", "interval", "p", "verdict")
#: Columns of words; the others are numbers.
WORDS = ("variant", "budget", "figure", "verdict", "note")
#: Characters of a comment on GitHub (65,536), and some for what the CI puts around it.
COMMENT = 60_000
#: Columns in a log, where nobody scrolls sideways.
LOG_WIDTH = 150

#: A heading, columns and rows.
Section = tuple[str, tuple[str, ...], list[Row]]


def console(checked: Checked, *, terminal: bool) -> str:
    """The tables, what needs an explanation, and the result last, where one looks in a terminal.

    What is the same in both revisions is only counted. ``terminal``: with colours, and as wide as it is.
    """
    from rich.console import Console
    from rich.text import Text

    screen = Console(width=None if terminal else LOG_WIDTH, force_terminal=terminal)
    with screen.capture() as captured:
        for heading, columns, rows in _sections(checked):
            told = [row for row in rows if row.outcome != "same"]
            if told:
                screen.print(_rich(heading, columns, told))
            if same := len(rows) - len(told):
                screen.print(
                    Text(f"{heading}: {same} {'figure is' if same == 1 else 'figures are'} the same")
                )
            for row in told:
                if not row.good:
                    screen.print(Text(f"  {row.sentence}"), soft_wrap=True)
        screen.print(Text(checked.headline, "bold red" if checked.failed else "bold green"), soft_wrap=True)
    return captured.get()


def _rich(heading: str, columns: Sequence[str], rows: Sequence[Row]) -> rich.table.Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, title=Text(heading), title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in WORDS else "right", no_wrap=True)
    before = ""
    for row in rows:
        variant = "" if row.variant == before else row.variant
        table.add_row(variant, row.what, *row.cells, Text(row.outcome, _colour(row)))
        before = row.variant
    return table


def _colour(row: Row) -> str:
    return "bold red" if row.fails else "green" if row.good else "yellow"


def markdown(checked: Checked) -> str:
    """The result first, then what failed, then what is in doubt; the rest is folded away.

    Never longer than a comment may be: what does not fit is counted.
    """
    text = f"{'❌' if checked.failed else '✅'} **edgebuild check: {checked.headline}**\n\n"
    for heading, columns, rows in _sections(checked):
        noted = sorted((row for row in rows if not row.good), key=lambda row: not row.fails)
        if noted:
            lines = _table((*columns, "note"), [(*_cells(row), row.note) for row in noted])
            text += f"**{heading}**\n\n{_fitting(lines, text)}\n"
    for heading, columns, rows in _sections(checked):
        good = [_cells(row) for row in rows if row.good]
        if good:
            lines = _table(columns, good)
            folded = _fitting(lines, text)
            text += (
                f"<details>\n<summary>{heading}: {len(good)} in order</summary>\n\n{folded}\n</details>\n\n"
            )
    return text


def _fitting(lines: Sequence[str], before: str) -> str:
    """The first lines of a table, at least its head, for half of the room after ``before``; and how many are left."""
    room = (COMMENT - len(before)) // 2
    kept, length = 2, sum(len(line) + 1 for line in lines[:2])
    while kept < len(lines) and length + len(lines[kept]) < room:
        length += len(lines[kept]) + 1
        kept += 1
    left = len(lines) - kept
    return (
        "\n".join(lines[:kept])
        + "\n"
        + (f"\n… and {left} more, for which a comment has no room\n" if left else "")
    )


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
