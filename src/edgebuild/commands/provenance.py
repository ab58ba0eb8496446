"""``edgebuild provenance check``: does a signed statement hold for the files that lie here?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgebuild.commands.command import Command

__all__ = ["COMMAND"]

EPILOG = """\
edgebuild verify --provenance FILE --key PRIVATE writes such a statement; docs/provenance.md says what it states.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", choices=["check"], help="the signature, then every file that it speaks of")
    parser.add_argument("file", type=Path, metavar="FILE", help="the signed statement")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="PUBLIC", help="the public key, PEM, of who signed it"
    )
    parser.add_argument("--builder", default="", metavar="URI", help="the builder that it has to name")
    parser.add_argument("--commit", default="", metavar="REV", help="the commit that it has to name")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="accept files that are not here where dvc.lock records them as they were built",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Check a signed statement of provenance: who signed it, and whether it speaks of the files that lie here."""
    from edgebuild.build.provenance.check import check

    root = Path.cwd()
    commit = _commit(root, options.commit) if options.commit else ""
    found = check(options.file, options.key, root, options.builder, commit, options.allow_missing)
    if options.json:
        print(json.dumps(found.document(), indent=2))
    else:
        print("\n".join(found.lines()))
    return 0 if found.ok else 1


def _commit(root: Path, revision: str) -> str:
    """The commit that ``revision`` is in this repository; what git does not know is taken as it stands."""
    from edgebuild.build.verify.clone import git

    return git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") or revision


COMMAND = Command("provenance", "check a signed statement about what was built", run, _arguments, EPILOG)
