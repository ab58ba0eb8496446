"""``edgebuild track``: what is not yet in MLflow goes there."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from edgebuild.commands.command import Command

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def run(options: argparse.Namespace) -> int:
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


COMMAND = Command("track", "deliver waiting records and publish this build to MLflow", run, _arguments)
