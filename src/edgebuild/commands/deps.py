"""``edgebuild deps``: do the stages declare the code that they import?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgebuild.commands.command import Command

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the differences as JSON")


def run(options: argparse.Namespace) -> int:
    """Compare the code that each stage imports with the deps that dvc.yaml lists for it."""
    from edgebuild.build.closure import compare

    differences = compare(Path.cwd())
    if options.json:
        print(json.dumps([vars(difference) for difference in differences], indent=2))
    for difference in [] if options.json else differences:
        print(difference)
    if not differences and not options.json:
        print("every stage declares the code that it imports")
    return 1 if differences else 0


COMMAND = Command("deps", "compare each stage's imports with its deps in dvc.yaml", run, _arguments)
