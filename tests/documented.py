"""Tables of refused input in the documentation, which tests hold to the code: what they share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["BEGIN", "END", "row", "rows_of", "table", "workspace", "written"]

#: The comments in a document between which its table stands.
BEGIN, END = "<!-- refused -->\n", "<!-- end of refused -->\n"


@contextmanager
def workspace(folder: Path, module: str) -> Iterator[None]:
    """``folder`` as the folder of dvc.yaml, where the user's ``module`` lies; it is forgotten afterwards."""
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        sys.modules.pop(module, None)


def row(case: str, text: str) -> str:
    """One input and the message that it gets."""
    lines = [line.strip().replace("|", "\\|").replace("<", "&lt;") for line in text.splitlines()]
    return f"| {case} | {'<br>'.join(lines)} |\n"


def table(rows: Iterable[str]) -> str:
    """The whole table of such rows."""
    return "".join(["| input | message |\n", "| --- | --- |\n", *rows])


def rows_of(text: str, begin: str = BEGIN, end: str = END) -> str:
    """What stands between the two comments in the text of a document."""
    return text.partition(begin)[2].partition(end)[0]


def written(text: str, made: str, begin: str = BEGIN, end: str = END) -> str:
    """The text with ``made`` between the two comments."""
    return f"{text.partition(begin)[0]}{begin}{made}{end}{text.partition(end)[2]}"
