"""The ``edgebuild`` command: parses the command line and calls the library."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgebuild.errors import EdgebuildError

__all__ = ["main"]

DESCRIPTION = """\
From a trained network to verified on-device models, as a DVC build.

  edgebuild run               check params.yaml, build what changed, print the table
  edgebuild run STAGE         execute one stage (this is what dvc.yaml calls)
  edgebuild report            print the table of variants again
  edgebuild track             take what is not yet in MLflow there
  edgebuild deps              do the stages declare the code that they import?
"""
EPILOG = """\
exit status: 0 success, 1 a finding (a result that is not acceptable), 2 wrong usage or configuration.
Run it in the folder that holds dvc.yaml and params.yaml.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(arguments)
    try:
        status: int = options.action(options, arguments)
    except EdgebuildError as error:
        print(f"edgebuild: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("edgebuild: interrupted; nothing was changed by the stage that ran", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "edgebuild",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(commands, "run", _run, "execute one stage, or build everything that changed")
    run.add_argument(
        "stage", nargs="?", metavar="STAGE", help="as in dvc.yaml: prune, export@pruned-onnx-int8, ..."
    )
    report = _command(commands, "report", _report, "print the table of variants")
    report.add_argument(
        "--json", action="store_true", help="print metrics/summary.json and latency.json as one document"
    )
    report.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    track = _command(commands, "track", _track, "deliver waiting records and publish this build to MLflow")
    track.add_argument("--json", action="store_true", help="print what was done as JSON")
    deps = _command(commands, "deps", _deps, "compare each stage's imports with its deps in dvc.yaml")
    deps.add_argument("--json", action="store_true", help="print the differences as JSON")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    action: Callable[[argparse.Namespace, list[str]], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=(action.__doc__ or text).strip())
    parser.set_defaults(action=action)
    return parser


def _run(options: argparse.Namespace, arguments: list[str]) -> int:
    """Execute one stage in a pinned environment; without STAGE, check params.yaml and dvc.yaml, then `dvc repro`."""
    root = Path.cwd()
    if options.stage is None:
        from edgebuild.build.whole import build

        return build(root, dict(os.environ))
    from edgebuild.build.environment import pin
    from edgebuild.build.runner import run_stage

    pin(arguments)
    run_stage(root, options.stage, dict(os.environ))
    return 0


def _report(options: argparse.Namespace, _: list[str]) -> int:
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


def _track(options: argparse.Namespace, _: list[str]) -> int:
    """Deliver waiting records to MLflow and publish this build; doing it twice changes nothing."""
    from dataclasses import asdict

    from edgebuild.params import read
    from edgebuild.track.store import tracking_uri
    from edgebuild.track.sync import track

    root = Path.cwd()
    project = read(root / "params.yaml").project
    report = track(root, tracking_uri(root, os.environ), project)
    print(json.dumps(asdict(report), indent=2) if options.json else "\n".join(report.lines()))
    return 0 if report.complete else 1


def _deps(options: argparse.Namespace, _: list[str]) -> int:
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
