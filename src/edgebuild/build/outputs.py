"""A stage's outputs: from the staging folder into place, all of them or none."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgebuild.build.declaration import Declaration
from edgebuild.build.digest import md5
from edgebuild.errors import DeclarationError

__all__ = ["publish"]


def publish(
    root: Path, declared: Declaration, staging: Path, written: Mapping[str, str]
) -> Mapping[str, str]:
    """Move the outputs from ``staging`` to ``root``; path → digest.

    ``written`` says which line of code wrote to a path.

    Raises:
        DeclarationError: a declared output is missing, or something else was written.
        KeyboardInterrupt: SIGINT or SIGTERM arrived while outputs were moved; all of them are in place.
    """
    outs = declared.outs
    if missing := [path for path in outs if not (staging / path).exists()]:
        raise DeclarationError(
            f"stage {declared.name} did not write {', '.join(missing)}, which dvc.yaml declares; "
            f"write it through stage.out(...), or remove it from dvc.yaml"
        )
    files = (path.relative_to(staging).as_posix() for path in staging.rglob("*") if not path.is_dir())
    for path in files:
        if not any(path == out or path.startswith(f"{out}/") for out in outs):
            place = written.get(str(staging / path), "in native code")
            raise DeclarationError(
                f"stage {declared.name} writes {path} ({place}) without declaring it; "
                f"add `- {path}` to its outs in dvc.yaml"
            )
    digests = {path: md5(staging / path) for path in outs}
    with _uninterrupted():
        for path in outs:
            _replace(staging / path, root / path)
    return digests


def _replace(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A directory cannot be replaced in one step, nor can it replace a file; the old one goes first.
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif source.is_dir():
        target.unlink(missing_ok=True)
    os.replace(source, target)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the end of the block; they are raised there.

    By handlers and not by a signal mask: a mask is one thread's, and runtimes start threads.
    """
    waiting: list[int] = []
    previous = {
        number: signal.signal(number, lambda signum, _: waiting.append(signum))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if waiting:
        raise KeyboardInterrupt(signal.Signals(waiting[0]).name)
