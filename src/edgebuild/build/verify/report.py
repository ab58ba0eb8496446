"""What verify found: the verdict, as a table for people and as JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgebuild.build.verify.cause import Cause
from edgebuild.build.verify.compare import Output

__all__ = ["Report", "show"]

WIDTH = 140
WORDS = {
    "same": "same",
    "close": "close",
    "differs": "DIFFERS",
    "unseen": "unseen",
    "machine": "machine",
    "missing": "NOT REBUILT",
}


@dataclass(frozen=True)
class Report:
    """The result of one verification.

    ``mode`` is ``bits``, or ``tolerance`` where ``reasons`` say why equal bits are
    not promised. ``stale`` are the stages whose dvc.lock entry was made from other
    sources. ``tail`` are the last lines of a build in which a stage ``failed``.
    ``folder`` is what was kept, or "".
    """

    commit: str
    mode: Literal["bits", "tolerance"]
    reasons: tuple[str, ...]
    outputs: tuple[Output, ...]
    stale: Mapping[str, Sequence[str]]
    causes: tuple[Cause, ...]
    failed: tuple[str, ...]
    tail: str
    folder: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the commit is what it says: nothing failed, was stale, differs beyond what the mode allows."""
        return (
            not self.failed
            and not self.stale
            and all(output.acceptable for output in self.outputs)
            and all(cause.kind == "environment" for cause in self.causes)
        )

    def document(self) -> dict[str, Any]:
        """Everything, for ``--json``."""
        return {"schema": 1, "ok": self.ok, **asdict(self)}

    def lines(self) -> list[str]:
        """What stands below the table."""
        said = [
            f"mode: equal {self.mode}" if self.mode == "bits" else f"mode: tolerance, since {self.reasons[0]}"
        ]
        said += [f"      and {reason}" for reason in self.reasons[1:]] if self.mode == "tolerance" else []
        said += [
            f"stale: {stage} in dvc.lock was made from another state of {', '.join(sources)}"
            for stage, sources in self.stale.items()
        ]
        said += [f"likely cause ({cause.stage}): {cause.text}" for cause in self.causes]
        if self.failed:
            said += [f"failed in the clean clone: {', '.join(self.failed)}; the last lines:", self.tail]
        if self.folder:
            said.append(f"kept: {self.folder}")
        said.append(
            f"{'verified' if self.ok else 'NOT verified'}: commit {self.commit[:10]}, {self._counts()}"
        )
        return said

    def _counts(self) -> str:
        counts = {
            word: sum(output.status == status for output in self.outputs) for status, word in WORDS.items()
        }
        found = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        return f"{found}, in {self.seconds:.0f} s"


def show(report: Report) -> None:
    """Print the table and what stands below it; in a log it is as wide as it has to be."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("stage", no_wrap=True)
    table.add_column("output")
    table.add_column("", no_wrap=True)
    table.add_column("where")
    previous = ""
    for output in report.outputs:
        row = (
            "" if output.stage == previous else output.stage,
            output.path,
            WORDS[output.status],
            output.where,
        )
        table.add_row(*map(Text, row))
        previous = output.stage
    with console.capture() as captured:  # on a pipe that nobody reads rich itself would end the process
        console.print(table)
        for line in report.lines():
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    print(captured.get(), end="")
