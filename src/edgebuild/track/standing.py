"""Is the build that lies here one that anybody can have again? Committed, up to date, made with the locked packages.

A promoted model names a commit and a dvc.lock. That is a promise only if the commit
holds that dvc.lock and everything that it was built from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.environment import record
from edgebuild.build.verify.clone import Clone, git
from edgebuild.build.verify.lock import entries
from edgebuild.build.verify.quick import Change, changes
from edgebuild.track.checks import Problem
from edgebuild.track.state import BuildState
from edgebuild.track.surroundings import environments

__all__ = ["committed", "drifted", "up_to_date"]

#: Of the repository's files, those that a build comes from whatever dvc.yaml lists.
SOURCES = (
    "dvc.yaml",
    "params.yaml",
    "dvc.lock",
    record.NAME,
    "stages",
    "src",
    "requirements",
    "pyproject.toml",
)
#: names that a message lists before it counts
LISTED = 6


def committed(root: Path) -> list[Problem]:
    """Git must have what was built and what it was built from; edited documentation is no matter."""
    if git(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        return [Problem("nothing is committed here, so no commit can be named", "commit the build with git")]
    stages = declarations(root)
    made = {out for stage in stages.values() for out in stage.outs}
    inputs = {dep for stage in stages.values() for dep in stage.deps if dep not in made}
    changed = _changed(root, sorted(inputs | made | set(SOURCES)))
    if not changed:
        return []
    return [Problem(f"uncommitted: {_list(changed)}", "`git add` and `git commit` them, or undo the changes")]


def _changed(root: Path, paths: Sequence[str]) -> list[str]:
    """Those of ``paths`` that differ from the commit; what git ignores (DVC's outputs) does not count."""
    shown = git(root, "status", "--porcelain", "-z", "--no-renames", "--", *paths) or ""
    prefix = git(root, "rev-parse", "--show-prefix") or ""
    return [line[3:].removeprefix(prefix) for line in shown.split("\0") if line]


def up_to_date(root: Path, environ: Mapping[str, str]) -> list[Problem]:
    """Nothing would run if it were built now (asked of ``dvc status``: 2 s); files that were not pulled are no matter.

    Raises:
        UsageError: dvc.lock or dvc.yaml cannot be understood.
    """
    here = Clone(root, root, "", "", environ)
    stages: Mapping[str, Declaration] = declarations(root)
    found = changes(here, stages, entries((root / "dvc.lock").read_text(encoding="utf-8")))
    own = [change for change in found if not change.after]
    if not own:
        return []
    after = len(found) - len(own)
    rest = f", and {after} stage(s) after them" if after else ""
    what = (
        f"dvc.lock is not what would be built now; to run: {_list([_words(change) for change in own])}{rest}"
    )
    return [Problem(what, "run `edgebuild run`, commit, and publish with `edgebuild track`")]


def _words(change: Change) -> str:
    return f"{change.stage} ({'; '.join(change.reasons)})"


def drifted(root: Path, state: BuildState) -> list[Problem]:
    """No stage may have run with packages other than the lock's, as far as environment.lock speaks of its outputs."""
    drift: dict[str, list[str]] = {}
    for stage, environment in environments(root, state).items():
        for package in environment.drift:
            drift.setdefault(package, []).append(stage)
    return [
        Problem(
            f"{_list(stages)} ran with {package} (installed!=locked), as {record.NAME} records",
            f"install {record.REQUIREMENTS} and run `dvc repro --force {' '.join(stages[:LISTED])}`",
        )
        for package, stages in sorted(drift.items())
    ]


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
