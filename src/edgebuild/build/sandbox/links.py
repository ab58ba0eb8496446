"""The sandbox where namespaces are not to be had, such as macOS: a tree of links to a stage's inputs.

Code that asks for files by relative path, or through the stage, finds only what is
declared. Absolute paths still reach everything: what Python opens is
refused by `edgebuild.build.sandbox.audit`, what native code opens is not seen. Inputs that a stage
has changed through a link are found afterwards.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgebuild.build.sandbox.view import View

__all__ = ["State", "changed", "enter", "state"]

#: of every input file: its size and time of change
State = dict[Path, tuple[int, int]]


def enter(view: View, tree: Path) -> None:
    """Make ``tree`` the working folder and the place that code is imported from."""
    for path in view.searched:
        (tree / path.relative_to(view.root)).mkdir(parents=True, exist_ok=True)
    for path in view.inputs:
        link = tree / path.relative_to(view.root) if path.is_relative_to(view.root) else None
        if link is not None and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    sys.path[:] = [_moved(view, tree, entry) for entry in sys.path]
    sys.path_importer_cache.clear()
    os.chdir(tree)


def state(view: View) -> State:
    """What the inputs are now."""
    files = (file for path in view.inputs for file in (path.rglob("*") if path.is_dir() else (path,)))
    return {file: (info.st_size, info.st_mtime_ns) for file in files if (info := file.stat())}


def changed(view: View, before: State) -> list[Path]:
    """The inputs that are not what they were."""
    now = state(view)
    return sorted(path for path in {**before, **now} if before.get(path) != now.get(path))


def _moved(view: View, tree: Path, entry: str) -> str:
    path = Path(entry or ".").absolute()
    if not path.is_relative_to(view.root) or path.is_relative_to(Path(sys.prefix)):
        return entry
    return str(tree / path.relative_to(view.root))
