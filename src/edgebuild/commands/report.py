"""``edgebuild report``: the table of variants again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgebuild.commands.command import Command, write

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print metrics/summary.json and latency.json as one document"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the whole report as one page that needs no network"
    )


def run(options: argparse.Namespace) -> int:
    """Print the table of variants from metrics/summary.json and metrics/latency.json, or write the page."""
    if options.html is not None:
        return _write(options.html)
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


def _write(target: Path) -> int:
    """The page of the build in this folder, with the costs that params.yaml states now."""
    from edgebuild import params
    from edgebuild.report import evidence, page
    from edgebuild.tasks.registry import open_task

    stated = params.read(Path("params.yaml"))
    text = page.page(evidence.read(Path(), open_task(stated.task), stated.cost))
    write(target, text)
    print(f"{target}: {len(text.encode()) / 1024:,.0f} KiB, opens in any browser")
    return 0


COMMAND = Command(
    "report", "print the table of variants, or write the whole report as a page", run, _arguments
)
