"""Which libraries a stage will import, read off the code before it runs.

This is a hint: what it finds is imported before the fork, what it misses the
stage imports itself. So it may be quick and simple where `build.closure`, which
decides what a stage depends on, is exact. Files are read once per change.
"""

from __future__ import annotations

import ast
import functools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["needs", "package"]

#: the supervisor reads YAML, whatever the stage does
ALWAYS = frozenset({"ruamel"})
PACKAGE = "edgebuild"


def needs(root: Path, path: Sequence[str], stage: str) -> frozenset[str]:
    """Top-level names that the file of ``stage`` imports, directly or through the repository's code.

    ``path`` is where a process finds edgebuild. Of the modules that are imported
    by a name known at run time only (``import_module(f"edgebuild.formats.{name}")``),
    those count that the stage's key names, such as ``pruned-litert-int8``, or all if it names none.
    """
    file = _stage_file(root, stage)
    folder = package(path)
    if file is None or folder is None:
        return ALWAYS
    source = Path(folder).parent
    words = frozenset(re.split(r"\W+", stage.partition("@")[2]))
    names: set[str] = set()
    seen: set[Path] = set()
    waiting = [file]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        new = set(_imports(here)) - names
        names |= new
        for name in new:
            if name.partition(".")[0] == PACKAGE:
                waiting += _modules(source, name, words)
    return ALWAYS | {name.partition(".")[0] for name in names} - {PACKAGE}


def package(path: Sequence[str]) -> str | None:
    """The folder of the package edgebuild that a process with the search path ``path`` imports."""
    folders = (os.path.join(entry, PACKAGE) for entry in path)
    return next((folder for folder in folders if os.path.isdir(folder)), None)


def _stage_file(root: Path, stage: str) -> Path | None:
    """The first file of stages/ in the stage's entry of dvc.yaml."""
    try:
        text = (root / "dvc.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    base = re.escape(stage.partition("@")[0])
    entry = re.search(rf"^ +{base}:.*?\b(stages/\w+\.py)", text, re.MULTILINE | re.DOTALL)
    return None if entry is None else root / entry[1]


def _imports(file: Path) -> tuple[str, ...]:
    try:
        found = file.stat()
        return _parsed(file, found.st_mtime_ns, found.st_size)
    except (OSError, SyntaxError, ValueError):
        return ()  # the stage will say what is wrong with it


@functools.lru_cache(maxsize=4096)
def _parsed(file: Path, mtime_ns: int, size: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_names(ast.parse(file.read_bytes()))))


def _names(node: ast.AST) -> Iterator[str]:
    """Dotted names that are imported at run time, functions included; ``a.*`` for anything in package ``a``."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func) and node.args:
        yield from _dynamic(node.args[0])
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _dynamic(argument: ast.expr) -> Iterator[str]:
    first = argument.values[0] if isinstance(argument, ast.JoinedStr) and argument.values else argument
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value + ("*" if first.value.endswith(".") else "")


def _modules(source: Path, name: str, words: frozenset[str]) -> list[Path]:
    """The files that importing ``name`` runs."""
    *above, last = name.split(".")
    folder = source.joinpath(*above)
    packages = [source.joinpath(*above[:depth], "__init__.py") for depth in range(1, len(above) + 1)]
    if last == "*":
        files = sorted(folder.glob("*.py"))
        modules = [file for file in files if file.stem in words] or files
    else:
        modules = [folder / f"{last}.py", folder / last / "__init__.py", folder.with_suffix(".py")]
    return [file for file in (*packages, *modules) if file.is_file()]
