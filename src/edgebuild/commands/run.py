"""``edgebuild run``: one stage, or everything that changed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from edgebuild.commands.command import Command

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stage", nargs="?", metavar="STAGE", help="as in dvc.yaml: prune, export@pruned-onnx-int8, ..."
    )


def run(options: argparse.Namespace) -> int:
    """Execute one stage in a pinned environment; without STAGE, check params.yaml and dvc.yaml, then `dvc repro`."""
    root = Path.cwd()
    if options.stage is None:
        from edgebuild.build.whole import build

        return build(root, dict(os.environ))
    from edgebuild.build.environment.variables import pin
    from edgebuild.build.runner import run_stage

    pin(options.arguments)
    run_stage(root, options.stage, dict(os.environ))
    return 0


COMMAND = Command("run", "execute one stage, or build everything that changed", run, _arguments)
