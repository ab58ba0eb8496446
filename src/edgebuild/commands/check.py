"""``edgebuild check``: is the build good enough, and has it got worse?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.commands.command import Command, write
from edgebuild.errors import UsageError

if TYPE_CHECKING:
    from edgebuild.gates.rows import Checked

__all__ = ["COMMAND"]

EPILOG = """\
exit status: 0 every budget is kept (or not contradicted), 1 one is not, results are missing, or something is
proven worse; 2 params.yaml or the command line is refused. docs/budgets.md explains budgets and statistics.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--against", metavar="REV", help="also compare with the results that this git revision committed"
    )
    parser.add_argument(
        "--format",
        choices=("table", "markdown", "junit", "json"),
        default="table",
        help="table (default) for a terminal, markdown for a pull request, junit and json for machines",
    )
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="as --format json")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write to FILE instead of standard output"
    )


def run(options: argparse.Namespace) -> int:
    """Hold the finished build against the budgets of params.yaml, and against another revision.

    A budget fails only if the data contradict it at the stated confidence: noise does not.
    """
    from edgebuild import params
    from edgebuild.build.measured import measured, measured_then
    from edgebuild.gates.regression import changes
    from edgebuild.gates.rows import Checked
    from edgebuild.gates.verdict import verdicts
    from edgebuild.tasks.registry import open_task

    root = Path.cwd()
    stated = params.read(root / "params.yaml")
    budgets, task = stated.budgets, open_task(stated.task)
    if budgets is None and options.against is None:
        raise UsageError(
            "params.yaml has no section budgets, so there is nothing to check; add one (docs/budgets.md), or "
            "compare with a revision: edgebuild check --against main"
        )
    then = None if options.against is None else measured_then(root, options.against, task)
    now = measured(root, task, stated.ids)
    checked = Checked(
        () if budgets is None else verdicts(budgets, now),
        () if then is None else changes(now, then, budgets),
        options.against,
        task.quality,
    )
    text = _text(options.format, checked, terminal=options.output is None and sys.stdout.isatty())
    if options.output is None:
        print(text, end="")
    else:
        write(options.output, text)
    return 1 if checked.failed else 0


def _text(kind: str, checked: Checked, *, terminal: bool) -> str:
    from datetime import UTC, datetime

    from edgebuild.gates import machine, show

    if kind == "json":
        return machine.document(checked)
    if kind == "junit":
        return machine.junit(checked, datetime.now(UTC))
    return show.markdown(checked) if kind == "markdown" else show.console(checked, terminal=terminal)


COMMAND = Command(
    "check", "hold the build against its budgets, and against another revision", run, _arguments, EPILOG
)
