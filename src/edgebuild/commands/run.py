"""``edgebuild run``: one stage, or everything that changed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from edgebuild.commands.command import Command
from edgebuild.errors import UsageError

__all__ = ["COMMAND"]

ALLOW_DRIFT = "EDGEBUILD_ALLOW_DRIFT"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stage", nargs="?", metavar="STAGE", help="as in dvc.yaml: prune, export@pruned-onnx-int8, ..."
    )
    parser.add_argument(
        "--allow-drift",
        action="store_true",
        help="build with packages other than the lock's, and record that (with dvc repro: EDGEBUILD_ALLOW_DRIFT=1)",
    )
    parser.add_argument(
        "--pull",
        action="store_true",
        help="take results that were pushed to the DVC remote, of this build or another, instead of making them anew",
    )


def run(options: argparse.Namespace) -> int:
    """Execute one stage in a pinned environment; without STAGE, check params.yaml and dvc.yaml, then `dvc repro`."""
    root = Path.cwd()
    if options.allow_drift:
        os.environ[ALLOW_DRIFT] = "1"  # stages are started by DVC, in this environment
    if options.stage is None:
        from edgebuild.build.whole import build

        return build(root, dict(os.environ), pull=options.pull)
    if options.pull:
        raise UsageError(
            "--pull is for whole builds, since one stage is executed whether or not there are results; "
            "leave out the stage: edgebuild run --pull"
        )
    from edgebuild.build.worker.client import delegate

    if (status := delegate(options.stage, options.arguments, root, os.environ)) is not None:
        return status
    from edgebuild.build.environment.variables import pin
    from edgebuild.build.runner import run_stage

    pin(options.arguments)
    run_stage(root, options.stage, dict(os.environ), allow_drift=os.environ.get(ALLOW_DRIFT) == "1")
    return 0


COMMAND = Command("run", "execute one stage, or build everything that changed", run, _arguments)
