"""``edgebuild deps``: do the stages declare the code that they import?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild import console
from edgebuild.commands.command import Command

if TYPE_CHECKING:
    from edgebuild.build.closure import Difference

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fix", action="store_true", help="edit dvc.yaml, keeping its comments and layout")
    parser.add_argument("--json", action="store_true", help="print the differences as JSON")


def run(options: argparse.Namespace) -> int:
    """Compare the code that each stage imports with the deps that dvc.yaml lists for it."""
    from edgebuild.build.closure import compare, unread
    from edgebuild.build.fix import fix

    root = Path.cwd()
    differences = fix(root) if options.fix else compare(root)
    for line in unread(root):
        console.warn(f"cannot tell what this imports; a dep that it needs has to be listed by hand: {line}")
    if options.json:
        print(json.dumps([vars(difference) for difference in differences], indent=2))
    else:
        _tell(differences, fixed=options.fix)
    return 1 if differences and not options.fix else 0


def _tell(differences: list[Difference], fixed: bool) -> None:
    for difference in differences:
        print(difference)
    if not differences:
        print("every stage declares the code that it imports")
    elif fixed:
        print("dvc.yaml says so now; the next `dvc repro` reruns these stages")
    else:
        print("`edgebuild deps --fix` writes this into dvc.yaml")


COMMAND = Command("deps", "compare each stage's imports with its deps in dvc.yaml", run, _arguments)
