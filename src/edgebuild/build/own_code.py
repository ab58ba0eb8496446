"""Functions of the user's own that params.yaml names, looked for before anything runs.

The stage that calls one imports it; that may be an hour after the build began. What can be said
without running the user's code is said first: whether the file is there, is Python, and has a
function of that name.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgebuild.errors import UsageError

__all__ = ["check"]

FUNCTION = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def check(root: Path, values: Mapping[str, Any]) -> None:
    """Every ``module:function`` in ``values``, those of params.yaml, must be one as far as its file shows.

    Modules that are installed, and not beside dvc.yaml, are left to the stage.

    Raises:
        UsageError: it is not; all of them at once.
    """
    found = [problem for key, text in _texts(values, "") if (problem := _problem(root, key, text))]
    if found:
        lines = "\n".join(f"  {problem}" for problem in found)
        raise UsageError(f"params.yaml names code that is not there; nothing was run:\n{lines}")


def _texts(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, f"{key}.{name}" if key else str(name))


def _problem(root: Path, key: str, text: str) -> str | None:
    if (named := FUNCTION.fullmatch(text)) is None:
        return None
    module, function = named.groups()
    stem = root / module.replace(".", "/")
    file = next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)
    if file is None:
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            return None
        expected = f"{module.replace('.', '/')}.py"
        return f"{key}: there is no module {module}: {expected} beside dvc.yaml is required; write it"
    where = file.relative_to(root)
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        return f"{key}: {where} is not Python: {error}"
    known = set(_names(tree.body))
    if function in known or known & {"*", "__getattr__"}:
        return None
    there = sorted(name for name in known if not name.startswith("_"))
    return f"{key}: {where} has no function {function}; it has {', '.join(there) or 'none'}"


def _names(body: list[ast.stmt]) -> Iterator[str]:
    """What the statements may bind; "*" for what cannot be read."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        else:
            yield from (leaf.id for leaf in ast.walk(node) if isinstance(leaf, ast.Name) and _is_bound(leaf))
            for field in ("body", "orelse", "finalbody"):
                yield from _names(getattr(node, field, []))
            for handler in getattr(node, "handlers", []):
                yield from _names(handler.body)


def _is_bound(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
