"""The ``edgebuild`` command: parses the command line and calls one of `edgebuild.commands`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from edgebuild import console
from edgebuild.commands import check, deps, init, promote, provenance, report, run, track, verify
from edgebuild.errors import EdgebuildError

__all__ = ["main"]

COMMANDS = (
    init.COMMAND,
    run.COMMAND,
    check.COMMAND,
    report.COMMAND,
    track.COMMAND,
    promote.COMMAND,
    deps.COMMAND,
    verify.COMMAND,
    provenance.COMMAND,
)
DESCRIPTION = """\
From a trained network to verified on-device models, as a DVC build.

  edgebuild init              put a build for your data and network into this folder
  edgebuild run               check params.yaml, build what changed, print the table
  edgebuild run STAGE         execute one stage (this is what dvc.yaml calls)
  edgebuild check             is the build good enough, and not worse than before? (for CI)
  edgebuild report            print the table of variants again
  edgebuild track             take what is not yet in MLflow there
  edgebuild promote VARIANT   register a variant of this build in MLflow, under an alias
  edgebuild deps [--fix]      do the stages declare the code that they import? Or make them
  edgebuild verify [REV]      rebuild a commit in a clean clone: does it give what dvc.lock says?
  edgebuild provenance check  does a signed statement about a build hold for the files here?
"""
EPILOG = """\
exit status: 0 success, 1 a finding (a result that is not acceptable), 2 wrong usage or configuration.
Run it in the folder that holds dvc.yaml and params.yaml.
"""
#: Exit status where nobody reads the output to its end: what a shell says of a program that SIGPIPE ended.
UNREAD = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    try:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()  # where it can be told what a failure of it means
    except BrokenPipeError:
        if not console.drop_unread():
            raise  # of another pipe: a defect
        return UNREAD


def _run(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    options.arguments = arguments
    try:
        status: int = options.action(options)
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
    for command in COMMANDS:
        command.add(commands)
    return parser
