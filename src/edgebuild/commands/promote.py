"""``edgebuild promote``: a variant of this build into MLflow's registry."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from edgebuild.commands.command import Command
from edgebuild.errors import UsageError

__all__ = ["COMMAND"]

EPILOG = """\
refused, with every reason and its remedy, when the build is not published, not committed, not what would be built now,
ran with packages other than the locked ones, fails a check, or breaks a budget of the variant (edgebuild check).
Promoting the same build twice makes one version.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "variant", metavar="VARIANT", help="as in the table of variants: pruned-litert-int8, ..."
    )
    parser.add_argument("--name", default="", help="of the registered model (default: the project's)")
    parser.add_argument("--alias", default="champion", help="that points to it (default: champion)")
    parser.add_argument(
        "--force",
        default=None,
        metavar="REASON",
        help="promote against what speaks against it; both are recorded",
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def run(options: argparse.Namespace) -> int:
    """Register a variant of the present build as a model version in MLflow and point an alias to it."""
    from dataclasses import asdict

    from edgebuild.params import read
    from edgebuild.track.checks import within_budgets
    from edgebuild.track.promote import promote
    from edgebuild.track.store import tracking_uri

    if options.force is not None and not options.force.strip():
        raise UsageError("--force needs a reason, which is recorded with the version; found an empty one")
    root = Path.cwd()
    params = read(root / "params.yaml")
    done = promote(
        root,
        tracking_uri(root, os.environ),
        params.project,
        options.variant,
        dict(os.environ),
        name=options.name,
        alias=options.alias,
        force=(options.force or "").strip(),
        further=within_budgets(root, params, options.variant),
    )
    print(json.dumps(asdict(done) | {"uri": done.uri}, indent=2) if options.json else "\n".join(done.lines()))
    return 1 if done.version is None else 0


COMMAND = Command(
    "promote", "register a variant of this build in MLflow, under an alias", run, _arguments, EPILOG
)
