"""The evidence of a verified build, collected while its clean clone still stands."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from edgebuild.build.declaration import Declaration
from edgebuild.build.environment import library
from edgebuild.build.environment.record import Environment
from edgebuild.build.provenance.statement import Evidence, source_uri
from edgebuild.build.verify.clone import Clone, git
from edgebuild.build.verify.rebuild import covers, producers
from edgebuild.build.verify.report import Report

__all__ = ["gather"]

#: Files of the commit that say what is built (with what, and what came out), besides the commit that has them all.
DEFINITION = ("dvc.yaml", "params.yaml", "dvc.lock", "requirements/runtime.txt", library.NAME)


def gather(
    root: Path,
    clone: Clone,
    revision: str,
    asked: Sequence[str],
    stages: Mapping[str, Declaration],
    chosen: Sequence[str],
    environments: Mapping[str, Environment],
    report: Report,
    started: datetime,
    finished: datetime,
) -> Evidence:
    """What can be stated of ``report`` about the build of ``chosen`` in ``clone`` of the repository ``root``."""
    return Evidence(
        root=clone.root,
        commit=clone.commit,
        revision=revision,
        source=source_uri(git(root, "config", "--get", "remote.origin.url") or ""),
        folder=clone.prefix,
        asked=tuple(asked),
        outputs={output.path: output.rebuilt for output in report.outputs if output.status == "same"},
        inputs=tuple(sorted(set(_inputs(clone, stages, chosen)))),
        environments=environments,
        definition={
            name: hashlib.sha256(content).hexdigest()
            for name in DEFINITION
            if (content := _committed(clone, name)) is not None
        },
        report={**report.document(), "folder": ""},  # where a clone was kept is of no use to others
        started=started,
        finished=finished,
    )


def _inputs(clone: Clone, stages: Mapping[str, Declaration], chosen: Iterable[str]) -> Iterator[str]:
    """What the chosen stages read and neither the commit nor one of them provides."""
    chosen = set(chosen)
    for name in chosen:
        for dep in stages[name].deps:
            makers = producers(stages, dep)
            for maker in makers:
                if maker not in chosen:
                    yield from (out for out in stages[maker].outs if covers(dep, out))
            # Asked of the clone, whose index is the commit's: of a tracked path the commit's digest speaks.
            if not makers and not git(clone.root, "ls-files", "--", dep):
                yield dep


def _committed(clone: Clone, name: str) -> bytes | None:
    """A file as the commit has it; the build has replaced dvc.lock in the clone."""
    command = ["git", "-C", str(clone.root), "cat-file", "blob", f"{clone.commit}:{clone.prefix}{name}"]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None
