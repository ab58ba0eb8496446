"""What one Python file imports or starts, read off its syntax: names of modules, and files beside it.

Imports inside functions, conditions and ``try`` count, and so do names given to
``importlib``, ``runpy`` and ``python -m``; blocks that only a type checker
reads do not. What is computed at run time cannot be read: it has a place in
``unread``, and the sandbox finds it when the stage runs.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edgebuild.errors import UsageError

__all__ = ["Mentions", "has_code", "listed", "mentions"]

#: Functions that import the module that their first argument names.
IMPORTERS = ("import_module", "__import__", "run_module")
#: A file that uses one of these may open files that lie beside it.
LOCATORS = ("__file__", "__path__", "get_data")
LONGEST_NAME = 255
TYPE_CHECKING = "TYPE_CHECKING"


@dataclass(frozen=True)
class Mentions:
    """What a file mentions.

    ``modules`` are absolute dotted names; an end of ``*`` stands for any
    module whose name begins so. ``starred`` are those of ``from a import *``,
    which imports the modules that ``__all__`` lists. ``started`` are modules that are run, so of a
    package its ``__main__``. ``texts`` are the strings of a file that looks for
    files beside it. ``unread`` are lines of code that import what cannot be read.
    """

    modules: tuple[str, ...]
    starred: tuple[str, ...]
    started: tuple[str, ...]
    texts: tuple[str, ...]
    unread: tuple[tuple[int, str], ...]


@functools.cache
def mentions(path: Path, package: tuple[str, ...]) -> Mentions:
    """What ``path`` mentions, a module of ``package`` (the names of the folders that it lies in).

    Raises:
        UsageError: there is no such file, or it is not Python.
    """
    tree = _parse(path)
    nodes = list(_run(tree))
    modules: list[str] = []
    starred: list[str] = []
    started: list[str] = []
    unread: list[tuple[int, str]] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _module(node, package, path)
            modules += [module, *(f"{module}.{alias.name}" for alias in node.names if alias.name != "*")]
            starred += [module for alias in node.names if alias.name == "*"]
        elif isinstance(node, ast.Call) and _last(node.func) in IMPORTERS:
            name = _pattern(node.args[0] if node.args else None, package)
            if name is None:
                unread.append((node.lineno, ast.unparse(node)))
            else:
                (started if _last(node.func) == "run_module" else modules).append(name)
        elif isinstance(node, ast.List | ast.Tuple):
            started += _after_m(node)
    locates = "importlib.resources" in modules or any(_last(node) in LOCATORS for node in nodes)
    texts = _texts(nodes) if locates else ()
    return Mentions(tuple(modules), tuple(starred), tuple(started), tuple(texts), tuple(unread))


def listed(path: Path) -> tuple[str, ...]:
    """The names of a literal ``__all__``."""
    result: list[str] = []
    for node in _parse(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(value, ast.List | ast.Tuple) and any(_last(target) == "__all__" for target in targets):
            result += [name for item in value.elts if (name := _text(item)) is not None]
    return tuple(result)


def has_code(path: Path) -> bool:
    """Whether importing ``path`` does anything; a docstring does not."""
    return any(
        not (isinstance(node, ast.Expr) and _text(node.value) is not None) for node in _parse(path).body
    )


@functools.cache
def _parse(path: Path) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):  # about the style of what is only read
            return ast.parse(path.read_bytes(), str(path))  # bytes: Python looks for the encoding itself
    except FileNotFoundError:
        raise UsageError(f"{path}, which dvc.yaml names, does not exist") from None
    except OSError as error:
        raise UsageError(f"{path}, which dvc.yaml names, cannot be read: {error}") from None
    except (SyntaxError, ValueError) as error:  # a ValueError for zero bytes
        raise UsageError(f"{path} is not Python: {error}") from None


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """``node`` and what is below it, without the branches that are for type checkers only."""
    yield node
    skipped: list[ast.stmt] = []
    if isinstance(node, ast.If):
        test, negated = node.test, False
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test, negated = test.operand, True
        if _last(test) == TYPE_CHECKING:
            skipped = node.orelse if negated else node.body
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _run(child)


def _module(node: ast.ImportFrom, package: tuple[str, ...], path: Path) -> str:
    """The absolute name of what stands after ``from``."""
    if node.level > len(package):
        raise UsageError(
            f"{path}:{node.lineno}: `{ast.unparse(node)}` goes beyond the topmost package, and Python "
            f"refuses it; write the absolute name"
        )
    above = package[: len(package) - node.level + 1] if node.level else ()
    return ".".join([*above, *([node.module] if node.module else [])])


def _pattern(argument: ast.expr | None, package: tuple[str, ...]) -> str | None:
    """``"a.b"`` of a text, ``"a.*"`` of ``f"a.{name}"``; a leading dot stands for ``package``."""
    name = _text(argument)
    if isinstance(argument, ast.JoinedStr) and argument.values:
        start = _text(argument.values[0])
        name = f"{start}*" if start else None
    if name is None:
        return None
    if not name.startswith("."):
        return name
    level = len(name) - len(name.lstrip("."))
    return ".".join([*package[: len(package) - level + 1], name.lstrip(".")])


def _after_m(node: ast.List | ast.Tuple) -> Iterator[str]:
    """Modules that a command starts: ``[sys.executable, "-m", "a.b", ...]``."""
    for option, module in pairwise(node.elts):
        if _text(option) == "-m" and (name := _text(module)) is not None:
            yield name


def _texts(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        text = _text(node)
        if text and len(text) < LONGEST_NAME and "\n" not in text and "\0" not in text:
            yield text


def _text(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _last(node: ast.AST | None) -> str | None:
    """``c`` of ``a.b.c``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
