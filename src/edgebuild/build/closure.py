"""Which of the repository's Python files a stage imports, directly or through others.

Found by reading the syntax of the files, functions included, without running
them; ``if TYPE_CHECKING:`` blocks do not count. A package's ``__init__`` runs
when a module of it is imported, so it counts, unless it holds a docstring only.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebuild.build.declaration import declarations
from edgebuild.errors import UsageError

__all__ = ["Difference", "compare", "has_code", "imports"]

SOURCES = ("src", ".")


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

    Raises:
        UsageError: dvc.yaml cannot be understood, or a stage file is missing or is not Python.
    """
    result, seen = [], set()
    for stage in declarations(root).values():
        if stage.base in seen:
            continue
        seen.add(stage.base)
        code = [path for path in stage.deps if _is_code(root, path)]
        files = [path for path in code if path.startswith("stages/")]
        needed = set().union(*(imports(root, root / path) for path in files))
        missing = sorted(path for path in needed if not any(_covers(dep, path) for dep in code))
        needless = [dep for dep in code if not any(_covers(dep, path) for path in needed)]
        if missing or needless:
            result.append(Difference(stage.base, tuple(missing), tuple(needless)))
    return result


def imports(root: Path, file: Path) -> frozenset[str]:
    """``file`` and every file of the repository that it imports, relative to ``root``."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported_files(root, path)
    return frozenset(path.relative_to(root).as_posix() for path in found if has_code(path))


@functools.cache
def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise UsageError(f"{path}, which dvc.yaml names, does not exist") from None
    except SyntaxError as error:
        raise UsageError(f"{path} is not Python: {error}") from None


def has_code(path: Path) -> bool:
    return any(not isinstance(node, ast.Expr) for node in _parse(path).body)


@functools.cache
def _imported_files(root: Path, path: Path) -> tuple[Path, ...]:
    package = _package(root, path)
    return tuple(file for name in _imported_names(_parse(path), package) for file in _files(root, name))


def _package(root: Path, path: Path) -> tuple[str, ...]:
    """The names of the packages that ``path`` lies in, outermost first."""
    source = next(folder for name in SOURCES if path.is_relative_to(folder := root / name))
    return path.relative_to(source).parent.parts


def _imported_names(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from _imported_names(ast.Module(node.orelse, []), package)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from _dynamic(node)
        yield from _imported_names(node, package)


def _dynamic(node: ast.Call) -> Iterator[str]:
    """``import_module("a.b")``, and ``import_module(f"a.{name}")`` as everything in package a."""
    argument = node.args[0] if node.args else None
    if isinstance(argument, ast.Constant):
        yield str(argument.value)
    elif isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        yield str(argument.values[0].value) + "*"


def _files(root: Path, name: str) -> Iterator[Path]:
    """The files that importing ``name`` runs, where they belong to the repository."""
    for source in SOURCES:
        folder, parts = root / source, name.split(".")
        for depth in range(1, len(parts) + 1):
            if (package := folder.joinpath(*parts[:depth], "__init__.py")).is_file():
                yield package
        last = folder.joinpath(*parts)
        if parts[-1] == "*":
            yield from sorted(last.parent.glob("*.py"))
        elif (module := last.with_suffix(".py")).is_file():
            yield module


def _is_code(root: Path, path: str) -> bool:
    return path.endswith(".py") or ((root / path).is_dir() and any((root / path).rglob("*.py")))


def _covers(dep: str, path: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")
