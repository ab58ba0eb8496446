"""Refuses a build or a stage that could not write, before it has worked."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edgebuild.build.declaration import Declaration
from edgebuild.errors import UsageError

__all__ = ["check_room", "check_writable"]

#: what DVC itself writes before a stage starts (its locks; dvc.lock of some hundred stages), bytes
ROOM = 1 << 20


def check_room(root: Path) -> None:
    """Try to write what DVC will: on a full disk it leaves half of its own files, and names none.

    Raises:
        UsageError: there is no room, or ``root``/.dvc/tmp cannot be written to.
    """
    folder = _existing(root / ".dvc" / "tmp")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
    except OSError as error:
        raise UsageError(
            f"DVC must write to {_shown(root, folder)}, which is refused: {error.strerror}; "
            f"make it writable, or free space, and run the build again"
        ) from None


def check_writable(root: Path, declared: Declaration) -> None:
    """Try to write where the outputs of ``declared`` and what edgebuild keeps will be.

    By doing so: the permissions of a folder say nothing of a read-only file
    system, and nothing to a superuser.

    Raises:
        UsageError: a folder cannot be written to; the message names it and the operating system's reason.
    """
    folders = {_existing((root / path).parent) for path in declared.outs}
    for folder in sorted({*folders, _existing(root / ".edgebuild")}):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UsageError(
                f"stage {declared.name} must write to {_shown(root, folder)}, which is refused: {error.strerror}; "
                f"make it writable, or free space, and run the build again"
            ) from None


def _existing(folder: Path) -> Path:
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _shown(root: Path, folder: Path) -> str:
    return f"{os.path.relpath(folder, root)}/" if folder != root else "the folder of dvc.yaml"
