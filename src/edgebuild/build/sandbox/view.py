"""What one execution of a stage may see and write: worked out outside the sandbox, before anything is hidden."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgebuild.build.closure import SOURCES, has_code
from edgebuild.build.declaration import Declaration
from edgebuild.build.values import texts

__all__ = ["View", "view"]

TEMPORARIES = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 (they are hidden)


@dataclass(frozen=True)
class View:
    """All paths are absolute.

    ``inputs`` can be read and exist under ``root``, where nothing else does but the folders
    that Python ``searched`` for modules, which libraries list: they are empty but for inputs.
    ``outside`` can be read although it lies in a place that is ``hidden``: the
    interpreter, its packages, folders that a declared parameter names.
    ``writable`` are the staging folder and what the stage keeps. ``temporary`` takes
    the place of ``temporaries``, the system's folders for temporary files.
    ``modules`` are the top-level names that the repository's own code is imported by,
    ``named`` the texts among the declared parameters, which may name files.
    """

    stage: str
    root: Path
    inputs: tuple[Path, ...]
    searched: tuple[Path, ...]
    outside: tuple[Path, ...]
    hidden: tuple[Path, ...]
    writable: tuple[Path, ...]
    temporary: Path
    temporaries: tuple[Path, ...]
    modules: frozenset[str]
    named: tuple[str, ...]
    network: bool

    def shows(self, path: Path) -> bool:
        """Whether ``path``, which lies under ``root``, exists in the sandbox, as itself or as a folder above."""
        seen = (*self.inputs, *self.writable, *self.outside)
        return path in self.searched or any(
            path == entry or entry in path.parents or path in entry.parents for entry in seen
        )

    def takes(self, path: Path) -> bool:
        """Whether the stage may write to ``path``."""
        return any(path == entry or entry in path.parents for entry in (*self.writable, self.temporary))


def view(
    root: Path,
    declared: Declaration,
    values: Mapping[str, object],
    *,
    writable: Iterable[Path],
    temporary: Path,
    environ: Mapping[str, str],
) -> View:
    """The view of the stage ``declared`` of ``root``; ``values`` are its declared parameters.

    A package's ``__init__`` that holds no code is visible with any of its modules.
    """
    inputs = [root / path for path in declared.deps]
    inputs += _package_files(root, inputs)
    home = Path(environ.get("HOME") or "/")
    hidden = [home, Path(tempfile.gettempdir())]
    interpreter = [Path(sys.prefix), Path(sys.base_prefix), Path(os.path.realpath(sys.executable)).parent]
    search = [path for path in map(Path, filter(None, sys.path)) if path.exists()]
    packages = [path for path in search if not path.is_relative_to(root)]
    searched = [path for path in search if path.is_relative_to(root) and path.is_dir()]
    said = tuple(texts(values))
    named = [path for path in map(Path, said) if path.is_absolute()]
    libraries = [Path(path) for path in environ.get("LD_LIBRARY_PATH", "").split(":") if path]
    return View(
        declared.name,
        root,
        tuple(dict.fromkeys(inputs)),
        tuple(dict.fromkeys(path for path in searched if not path.is_relative_to(sys.prefix))),
        tuple(dict.fromkeys(p for p in (*interpreter, *packages, *named, *libraries) if p.exists())),
        tuple(
            dict.fromkeys(p for p in hidden if p.is_dir() and p != Path(p.anchor) and p not in TEMPORARIES)
        ),
        tuple(writable),
        temporary,
        tuple(path for path in TEMPORARIES if path.is_dir()),
        frozenset(
            entry.stem
            for source in SOURCES
            if (root / source).is_dir()
            for entry in (root / source).iterdir()
        ),
        said,
        declared.network,
    )


def _package_files(root: Path, inputs: Iterable[Path]) -> list[Path]:
    folders = {
        folder
        for path in inputs
        if path.is_relative_to(root) and (path.suffix == ".py" or path.is_dir())
        for folder in path.parents
        if folder != root and folder.is_relative_to(root)
    }
    files = (folder / "__init__.py" for folder in sorted(folders))
    return [file for file in files if file.is_file() and not has_code(file)]
