"""Which of the repository's files a stage imports, directly or through others, and what dvc.yaml says of them.

Found by reading the syntax of the files without running them, so the answer is
the same everywhere. A package's ``__init__`` runs when a module of it is
imported, so it counts, unless it holds a docstring only. Data that lies beside
an importing file and is named in it, as package data is, counts too. What params.yaml names
(`edgebuild.build.named`) is read as well: functions, with all that they import, and files.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from edgebuild.build import named
from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.importing import has_code, listed, mentions
from edgebuild.errors import DeclarationError

__all__ = ["STAGES", "Difference", "compare", "has_code", "imports", "is_code", "unread"]

SOURCES = ("src", ".")
#: The folder of stage files: what `edgebuild run STAGE` executes.
STAGES = "stages"
#: What it imports is named in params.yaml, and read from there.
FINDER = "src/edgebuild/user_function.py"


@dataclass(frozen=True)
class Difference:
    """What one entry of dvc.yaml lacks, and which code deps it lists that nothing in it is imported."""

    stage: str
    missing: tuple[str, ...]
    needless: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"dvc.yaml: stages.{self.stage}.deps"]
        lines += [f"  add    - {path}" for path in self.missing]
        lines += [f"  remove - {path}" for path in self.needless]
        return "\n".join(lines)


def compare(root: Path) -> list[Difference]:
    """The entries of dvc.yaml whose code deps are not what their stage file imports.

    Of a ``foreach`` group one entry lists what any of its stages lacks, and
    what none needs. A stage whose command runs no Python file is left alone.

    Raises:
        UsageError: dvc.yaml cannot be understood, or a stage file is missing or is not Python.
    """
    result = []
    values = named.values_of(root)
    for base, group in groupby(declarations(root).values(), key=lambda stage: stage.base):
        found = [difference for stage in group if (difference := _compare(root, stage, values)) is not None]
        missing = set().union(*(lacking for lacking, _ in found))
        needless = [path for path in (found[0][1] if found else ()) if all(path in each for _, each in found)]
        if missing or needless:
            result.append(Difference(base, tuple(_folded(root, missing)), tuple(needless)))
    return result


def unread(root: Path) -> list[str]:
    """Lines of code that import what cannot be read off the syntax, as ``file:line: code``."""
    files = {path for stage in declarations(root).values() for path in _needed(root, _entries(root, stage))}
    return [
        f"{path}:{line}: {code}"
        for path in sorted(files)
        if path.endswith(".py") and path != FINDER
        for line, code in mentions(root / path, _package(root, root / path)).unread
    ]


def imports(root: Path, file: Path, within: str = ".") -> frozenset[str]:
    """``file`` and every file below ``root`` that it imports, relative to ``root``.

    Files outside of the folder ``within`` are not followed: where ``root`` is the folder of all
    installed packages, the others are no part of one.
    """
    return _needed(root, [file.relative_to(root).as_posix()], within)


def _compare(root: Path, stage: Declaration, values: Mapping[str, Any]) -> tuple[set[str], list[str]] | None:
    """What one stage lacks and lists needlessly; None if its code is not known."""
    entries = _entries(root, stage)
    if not entries:
        return None
    own = [file for name in named.functions(stage, values) for file in _files(root, name)]
    needed = _needed(root, [*entries, *(file.relative_to(root).as_posix() for file in own)])
    missing = {path for path in needed if not any(_covers(dep, path) for dep in stage.deps)}
    missing |= set(named.undeclared(stage, values))
    code = [path for path in stage.deps if is_code(root, path)]
    return missing, [dep for dep in code if not any(_covers(dep, path) for path in needed)]


def _entries(root: Path, stage: Declaration) -> list[str]:
    """The files that the stage starts: that of stages/, or the Python files that its command names."""
    if files := [path for path in stage.deps if path.startswith(f"{STAGES}/") and path.endswith(".py")]:
        return files
    words = shlex.split(stage.cmd, comments=True)
    if words[:2] == ["edgebuild", "run"]:
        raise DeclarationError(
            f"dvc.yaml: stages.{stage.base}.deps must name the file of {STAGES}/ that `{stage.cmd}` executes; "
            f"add it"
        )
    named = [word for word in words if word.endswith(".py") and (root / word).is_file()]
    modules = [name for option, name in pairwise(words) if option == "-m"]
    started = [path for name in modules for path in _files(root, name, started=True)]
    return [*named, *(path.relative_to(root).as_posix() for path in started)]


def _needed(root: Path, entries: Iterable[str], within: str = ".") -> frozenset[str]:
    found: set[Path] = set()
    waiting = [root / path for path in entries]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_relative_to(root / within):
            found.add(path)
            waiting += _mentioned_files(root, path) if path.suffix == ".py" else ()
    return frozenset(
        path.relative_to(root).as_posix() for path in found if path.suffix != ".py" or has_code(path)
    )


@functools.cache
def _mentioned_files(root: Path, path: Path) -> tuple[Path, ...]:
    found = mentions(path, _package(root, path))
    files = [file for name in found.modules for file in _files(root, name)]
    files += [file for name in found.started for file in _files(root, name, started=True)]
    for name in found.starred:
        inits = [
            file for file in _files(root, name) if file.parts[-2:] == (name.split(".")[-1], "__init__.py")
        ]
        submodules = {submodule for init in inits for submodule in listed(init)}
        files += [file for submodule in submodules for file in _files(root, f"{name}.{submodule}")]
    return (*files, *_beside(path, found.texts))


def _beside(path: Path, texts: Iterable[str]) -> Iterator[Path]:
    """Files and folders that ``path`` names and that lie beside it or below: its package's data."""
    for text in texts:
        if not text.startswith(("/", ".")) and ".." not in text.split("/"):
            file = path.parent / text
            if file.is_file() and file.suffix != ".py":
                yield file


def _package(root: Path, path: Path) -> tuple[str, ...]:
    """The names of the packages that ``path`` lies in, outermost first."""
    source = next(folder for name in SOURCES if path.is_relative_to(folder := root / name))
    return path.relative_to(source).parent.parts


def _files(root: Path, name: str, started: bool = False) -> Iterator[Path]:
    """The files that importing (or starting) ``name`` runs, where they belong to the repository."""
    parts = name.split(".")
    if not all(parts):
        return
    for source in SOURCES:
        folder = root / source
        for depth in range(1, len(parts) + 1):
            if (package := folder.joinpath(*parts[:depth], "__init__.py")).is_file():
                yield package
        last = folder.joinpath(*parts)
        module = last.with_name(f"{last.name}.py")
        if name.endswith("*"):
            yield from sorted([*last.parent.glob(module.name), *last.parent.glob(f"{last.name}/__init__.py")])
        elif (last / "__init__.py").is_file():  # wins over a module of the same name
            if started and (main := last / "__main__.py").is_file():
                yield main
        elif module.is_file():
            yield module


def _folded(root: Path, missing: set[str]) -> list[str]:
    """``missing`` sorted, with a folder for its files where both mean the same today.

    A folder as dep is short, but every new file in it reruns the stage, so it
    stands only for files that are all needed; more files are no reason.
    """
    result: set[str] = set()
    for path in missing:
        folders = [
            parent for parent in reversed(Path(path).parents) if parent.as_posix() not in (*SOURCES, STAGES)
        ]
        whole = (folder.as_posix() for folder in folders if _is_whole(root, folder, missing))
        result.add(next(whole, path))
    return sorted(result)


def _is_whole(root: Path, folder: Path, missing: set[str]) -> bool:
    files = [
        path for path in (root / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    counted = {path.relative_to(root).as_posix() for path in files if path.suffix != ".py" or has_code(path)}
    return len(counted) > 1 and counted <= missing


def is_code(root: Path, path: str) -> bool:
    """Whether a dep is a Python file or a folder that holds one."""
    return path.endswith(".py") or ((root / path).is_dir() and any((root / path).rglob("*.py")))


def _covers(dep: str, path: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")
