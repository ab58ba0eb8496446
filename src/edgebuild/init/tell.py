"""The table at the end of `edgebuild init`: what was found and chosen, what was written, what to do next."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgebuild.build.environment import library
from edgebuild.build.environment.installed import drift, listed
from edgebuild.init.choice import Choice
from edgebuild.init.declare import LOCK
from edgebuild.init.plan import Plan

__all__ = ["next_steps", "table"]

#: What a build makes that git keeps.
BUILT = (".dvc", "dvc.lock", "environment.lock", "metrics")

INSTALL = f"pip install --require-hashes -r {LOCK}"

#: Columns of a terminal that does not say how wide it is, and of the narrowest that is respected.
WIDTH, NARROWEST = 120, 60


def table(plan: Plan, written: Mapping[str, str], dvc: str, *, dry: bool) -> list[str]:
    """The lines of the table."""
    done = "would be " if dry else ""
    files = {name: what if what == "as it was" else f"{done}{what}" for name, what in written.items()}
    rows = [*plan.choices, *(Choice(name, what, WHY.get(name, "")) for name, what in _folded(files).items())]
    rows.append(Choice(".dvc", dvc, "nothing was done" if dry else ""))
    rows.append(_packages(drift(plan.files[LOCK])))
    column = max(len(row.what) for row in rows) + 4
    return [line for row in rows for line in _row(row, column)]


def next_steps(root: Path, plan: Plan, *, git: bool) -> list[str]:
    """The commands that lead from here to a checked build, each with what it does."""
    steps = []
    if drift(plan.files[LOCK]):
        steps.append((INSTALL, "the packages that the build is pinned to"))
    steps.append(("edgebuild run", "build everything (`dvc repro` does the same), and print the table"))
    steps.append(("edgebuild check", "hold it against the budgets in params.yaml"))
    if git:
        tops = sorted({name.split("/")[0] for name in (*plan.files, *plan.lines)} | set(BUILT))
        steps.append(
            (
                f"git add {' '.join(tops)} && git commit",
                "dvc.lock names every result; the results are in DVC's cache",
            )
        )
    else:
        steps.append(("edgebuild report --html report.html", "everything on one page"))
    width = max(len(command) for command, _ in steps[:-1])
    return [f"  {command:<{width}}  # {what}" for command, what in steps]


#: What each file is for.
WHY = {
    "dvc.yaml": "the stages; yours to change",
    "params.yaml": "every knob of the build",
    "stages/": "one short file per stage; yours to change",
    LOCK: "the packages of the stages, with hashes",
    library.NAME: "the edgebuild of the stages; `edgebuild init --upgrade` renews both",
    ".github/workflows/edgebuild.yml": "builds, checks, comments; docs/ci.md",
    ".gitlab-ci.yml": "builds, checks, comments; docs/ci.md",
}


def _packages(differing: tuple[str, ...]) -> Choice:
    """Are the packages here those that the build is pinned to?"""
    if not differing:
        return Choice("packages", "installed as the lock names them")
    count = "1 is another" if len(differing) == 1 else f"{len(differing)} are others"
    return Choice("packages", f"{count} than the lock's: {listed(differing)}", f"{INSTALL} first")


def _folded(written: Mapping[str, str]) -> dict[str, str]:
    """The stage files as one line."""
    stages = Counter(what for name, what in written.items() if name.startswith("stages/"))
    result: dict[str, str] = {}
    for name, what in written.items():
        if name.startswith("stages/"):
            result["stages/"] = ", ".join(f"{count} {how}" for how, count in stages.items())
        else:
            result[name] = what
    return result


def _row(row: Choice, column: int) -> Iterator[str]:
    width = max(shutil.get_terminal_size((WIDTH, 0)).columns, NARROWEST)
    text = f"{row.value} ({row.why})" if row.why else row.value
    indent = " " * column
    head = f"{f'  {row.what}':<{column}}"
    yield from textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]
