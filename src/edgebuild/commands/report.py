"""``edgebuild report``: the table of variants again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgebuild.commands.command import Command

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print metrics/summary.json and latency.json as one document"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")


def run(options: argparse.Namespace) -> int:
    """Print the table of variants from metrics/summary.json and metrics/latency.json."""
    from edgebuild.json_file import read_json
    from edgebuild.measure import table

    documents = {name: read_json(Path("metrics") / f"{name}.json") for name in ("summary", "latency")}
    shown = table.table(documents["summary"], documents["latency"])
    if options.json:
        print(json.dumps(documents, indent=2))
    elif options.markdown:
        print(table.markdown(shown), end="")
    else:
        table.show(shown)
    return 0


COMMAND = Command("report", "print the table of variants", run, _arguments)
