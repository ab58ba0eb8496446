"""``edgebuild verify``: does a clean clone of a commit, built again, give what its dvc.lock says?"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebuild.commands.command import Command
from edgebuild.errors import UsageError

if TYPE_CHECKING:
    from edgebuild.build.verify.report import Report
    from edgebuild.build.verify.verify import Verified

__all__ = ["COMMAND"]

EPILOG = """\
equal bits are promised where environment.lock names this CPU class, Python, system and lock of requirements;
elsewhere other bits are accepted within stated tolerances (docs/verify.md), unless --exact is given.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "revision", nargs="?", default="HEAD", metavar="REV", help="the commit to verify (default: HEAD)"
    )
    parser.add_argument(
        "--stages", nargs="+", default=[], metavar="STAGE",
        help="only these, such as freeze or export or export@pruned-onnx-int8, from inputs as committed",
    )  # fmt: skip
    parser.add_argument(
        "--quick",
        action="store_true",
        help="execute nothing: name what would rerun, and check committed metrics",
    )
    parser.add_argument("--exact", action="store_true", help="accept no tolerance, whatever the machine")
    parser.add_argument("--keep", action="store_true", help="leave the clone, to look into it")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--provenance",
        type=Path,
        metavar="FILE",
        help="write a signed statement of what was verified to FILE",
    )
    parser.add_argument("--key", type=Path, metavar="PRIVATE", help="the private key, PEM, to sign it with")
    parser.add_argument("--builder", default="", metavar="URI", help="who vouches for this machine")


def run(options: argparse.Namespace) -> int:
    """Rebuild a commit in a clean clone, without cache, and compare every output with the committed dvc.lock."""
    from edgebuild import console
    from edgebuild.build.verify.clone import git

    root, signer = Path.cwd(), _signer(options)
    if options.revision == "HEAD" and (changed := git(root, "status", "--porcelain", "--", ".")):
        console.warn(
            f"{len(changed.splitlines())} uncommitted change(s) here are not verified, only the commit is"
        )
    return _quick(root, options) if options.quick else _whole(root, options, signer)


def _whole(root: Path, options: argparse.Namespace, signer: Any) -> int:
    from edgebuild import console
    from edgebuild.build.verify.report import show
    from edgebuild.build.verify.verify import verify

    statements: list[dict[str, Any]] = []

    def witness(build: Verified, report: Report) -> None:
        if signer is not None and report.ok:
            statements.append(_statement(root, options, build, report))

    progress = console.Progress("verify")
    try:
        report = verify(
            root,
            options.revision,
            dict(os.environ),
            progress.update,
            options.stages,
            options.exact,
            options.keep,
            witness,
        )
    finally:
        progress.close()
    if options.json:
        print(json.dumps(report.document(), indent=2))
    else:
        show(report)
    if signer is not None:
        _sign(options.provenance, statements, signer)
    return 0 if report.ok else 1


def _signer(options: argparse.Namespace) -> Any:
    """What signs the statement, None if none is wanted; what cannot work is found before the build and not after.

    Raises:
        UsageError: the options do not go together, or the key cannot be used.
    """
    if options.provenance is None and options.key is None and not options.builder:
        return None
    if options.provenance is None or options.key is None:
        raise UsageError("--provenance FILE and --key PRIVATE go together, and --builder URI only with both")
    if options.quick:
        raise UsageError("--quick builds nothing, so there is nothing that --provenance could state")
    if not options.provenance.absolute().parent.is_dir():
        raise UsageError(f"the folder of --provenance {options.provenance} does not exist; make it first")
    from edgebuild.build.provenance.envelope import private_key

    return private_key(options.key)


def _statement(root: Path, options: argparse.Namespace, build: Verified, report: Report) -> dict[str, Any]:
    from edgebuild.build.provenance.gather import gather
    from edgebuild.build.provenance.statement import statement
    from edgebuild.build.provenance.write import UNNAMED

    evidence = gather(
        root,
        build.clone,
        options.revision,
        options.stages,
        build.stages,
        build.chosen,
        build.environments,
        report,
        build.started,
        datetime.now(UTC),
    )
    return statement(evidence, options.builder or UNNAMED)


def _sign(path: Path, statements: list[dict[str, Any]], signer: Any) -> None:
    """Write the statement, of which there is none when the commit is not verified."""
    from edgebuild import console
    from edgebuild.build.provenance.write import write

    if not statements:
        console.warn(f"{path} was not written, since the commit is not verified")
        return
    console.warn(f"{path} is signed; it speaks of {write(path, statements[0], signer)} files")


def _quick(root: Path, options: argparse.Namespace) -> int:
    from edgebuild.build.declaration import declarations
    from edgebuild.build.verify.clone import clean_clone
    from edgebuild.build.verify.lock import entries
    from edgebuild.build.verify.quick import changes

    with clean_clone(root, options.revision, os.environ, options.keep) as clone:
        stages = declarations(clone.root)
        lock = entries((clone.root / "dvc.lock").read_text(encoding="utf-8"))
        found = changes(clone, stages, lock)
    if options.json:
        document = {
            "schema": 1,
            "ok": not found,
            "commit": clone.commit,
            "changes": [asdict(one) for one in found],
        }
        print(json.dumps(document, indent=2))
        return 1 if found else 0
    for change in found:
        if change.reasons:
            print(f"{change.stage} would rerun: {'; '.join(change.reasons)}")
    if after := [change.stage for change in found if change.after]:
        print(f"and what is made from theirs: {', '.join(after)}")
    print(
        f"{len(found)} of {len(stages)} stages would rerun; run dvc repro and commit dvc.lock and metrics"
        if found
        else f"nothing would rerun: dvc.lock of {clone.commit[:10]} is up to date with its {len(stages)} stages"
    )
    return 1 if found else 0


COMMAND = Command("verify", "rebuild a commit in a clean clone and compare", run, _arguments, EPILOG)
