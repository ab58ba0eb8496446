"""What surrounds the execution of a stage: its lock, the watch over its DVC, and a note of how it failed."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgebuild import console
from edgebuild.build.exclusive import is_dvc, stage_lock
from edgebuild.build.failed import leave
from edgebuild.build.guard import ensure_watched
from edgebuild.errors import EdgebuildError, StageError, UsageError
from edgebuild.track.process import build_process

__all__ = ["supervised"]

DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file may not become that large",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "writing is not permitted",
}


@contextmanager
def supervised(root: Path, name: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Around the execution of stage ``name`` of ``root``, with the command's environment.

    Raises:
        UsageError: for an OSError that says that the disk cannot take what is written.
        StageError: the build that wanted the stage has been killed meanwhile.
    """
    build = build_process() if "DVC_STAGE" in environ else 0
    if build == 1 and not is_dvc(
        build
    ):  # init has adopted the orphan; in a container DVC may be the first process
        raise StageError(f"the build that started stage {name} has ended; run it again")
    try:
        try:
            with stage_lock(root, name, build):
                if build:
                    _watch(root, build, environ)
                yield
        except OSError as error:
            if error.errno not in DISK:
                raise
            raise UsageError(
                f"stage {name} could not write{f' {error.filename}' if error.filename else ''}: {DISK[error.errno]}; "
                f"mend that and run the build again: it goes on from the last finished stage"
            ) from None
    except EdgebuildError as error:
        leave(root, name, error)
        raise


def _watch(root: Path, build: int, environ: Mapping[str, str]) -> None:
    try:
        ensure_watched(root, build, environ)
    except OSError as error:
        console.warn(f"nothing watches over this build (a kill of DVC may leave dvc.lock cut off): {error}")
