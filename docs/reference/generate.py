"""Writes the pages of the reference that the code knows best: params.md, command-line.md and errors.md.

    python docs/reference/generate.py [FOLDER]

``make docs`` calls it, and a test holds the committed pages against what it
writes. Types and bounds are those of the dataclasses in edgebuild.params,
meanings their ``#:`` comments, or those in the repository's own params.yaml, whose values are shown, too.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import io
import re
import sys
import textwrap
import tokenize
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from edgebuild import errors
from edgebuild.cli import COMMANDS
from edgebuild.params import Params
from edgebuild.strict import Range

ROOT = Path(__file__).resolve().parents[2]
WORDS = {int: "whole number", float: "number", bool: "true or false", str: "text"}
NOTE = "<!-- Written by docs/reference/generate.py; `make docs` writes it anew. -->\n"
MISSING = object()


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0]) if arguments else Path(__file__).parent
    pages = {"params.md": params_page(), "command-line.md": commands_page(), "errors.md": errors_page()}
    for name, text in pages.items():
        linked = re.sub(r"(?<!\[)\bdocs/([\w-]+\.md)", r"[docs/\1](../\1)", text)
        (folder / name).write_text(linked, encoding="utf-8")


def params_page() -> str:
    """Every section of params.yaml with a line per knob."""
    defaults = YAML().load(ROOT / "params.yaml")  # with its comments
    head = """\
        # params.yaml

        Every knob, with what it takes. A knob of a section that stands in `params.yaml` has to be stated, unless it is
        called optional here, so that the file is the whole configuration. All that is wrong with a file is told at
        once, before anything runs. The last column is what the repository's own `params.yaml` says, which
        `edgebuild init` starts from: the digits of scikit-learn.
        """
    lines = [NOTE, textwrap.dedent(head)]
    lines += _section(Params, "", defaults, "Knobs of the whole build")
    return "\n".join(lines)


def _section(kind: type[Any], name: str, defaults: object, title: str) -> Iterator[str]:
    """The heading and table of a dataclass, then those of the sections in it."""
    hints = typing.get_type_hints(kind, include_extras=True)
    meanings = comments(kind)
    yield f"## {title}\n"
    if name:
        yield f"{_about(kind)}\n"
    inner = []
    rows = []
    for field in dataclasses.fields(kind):
        path = f"{name}.{field.name}" if name else field.name
        default = defaults.get(field.name, MISSING) if isinstance(defaults, Mapping) else MISSING
        optional = (
            field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        )
        below, many = _dataclass_in(hints[field.name])
        if below is not None:
            shown = f"{path}.*" if many else path
            if many and isinstance(default, Mapping):
                default = next(iter(default.values()), MISSING)
            inner.append((below, shown, default))
            what, value = f"section [{shown}](#{_anchor(shown)})", ""
            what += ", by name" if many else ""
        else:
            what, value = describe(hints[field.name]), _value(default)
        about = _about(below).partition("\n")[0] if below else _beside(defaults, field.name)
        meaning = meanings.get(field.name) or about
        rows.append(
            f"| `{field.name}` | {what}{', optional' if optional else ''} | {_cell(meaning)} | {value} |"
        )
    yield "\n".join(["| knob | takes | meaning | here |", "| :-- | :-- | :-- | :-- |", *rows, ""])
    for below, shown, default in inner:
        yield from _section(below, shown, default, f"`{shown}`")


def comments(kind: type[Any]) -> dict[str, str]:
    """The ``#:`` comments of a dataclass's fields: on the lines of a field, or alone on those before it."""
    source = textwrap.dedent(inspect.getsource(kind))
    found: dict[int, tuple[str, bool]] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("#:"):
            found[token.start[0]] = (token.string[2:].strip(), token.line.lstrip().startswith("#:"))
    result = {}
    (body,) = (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    for node in body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        first = node.lineno
        while found.get(first - 1, ("", False))[1]:
            first -= 1
        texts = [found[line][0] for line in range(first, (node.end_lineno or first) + 1) if line in found]
        result[node.target.id] = " ".join(texts)
    return result


def describe(kind: Any) -> str:
    """What a knob takes, for a cell of a table: ``whole number, at least 1``."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return f"{describe(inside[0])}, {_bounds(inside[1])}"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(describe(part) for part in inside if part is not types.NoneType)
    if origin is typing.Literal:
        return " \\| ".join(f"`{_yaml(choice)}`" for choice in inside)
    if origin is not None and issubclass(origin, Mapping):
        return f"{describe(inside[1])}, by name"
    if origin in (list, tuple):
        return f"list of {describe(inside[0])}"
    return WORDS[kind]


def _bounds(bounds: Range) -> str:
    low, high = (f"{end:,.10g}" for end in (bounds.low, bounds.high))
    below = "below" if bounds.open_high else "at most"
    return f"{'above' if bounds.open_low else 'at least'} {low}" + (
        "" if bounds.high >= 1e9 else f", {below} {high}"
    )


def _dataclass_in(kind: Any) -> tuple[type[Any] | None, bool]:
    """The dataclass that a field holds, if it does, and whether it holds many of them by name."""
    if dataclasses.is_dataclass(kind):
        return typing.cast(type[Any], kind), False
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return next(
            (found for part in inside if (found := _dataclass_in(part))[0] is not None), (None, False)
        )
    if origin is not None and origin is not typing.Literal and issubclass(origin, Mapping):
        return _dataclass_in(inside[1])[0], True
    return None, False


def _about(kind: type[Any]) -> str:
    """A docstring's prose, without the parts for readers of the code."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("\n\nRaises:")[0]
    return text.replace("``", "`")


def _beside(section: Any, key: str) -> str:
    """The comment on the line of ``key`` in params.yaml."""
    comment = getattr(section, "ca", None) and section.ca.items.get(key)
    return comment[2].value.partition("\n")[0].lstrip("# ") if comment and comment[2] else ""


def _value(default: object) -> str:
    return "" if default is MISSING else f"`{_yaml(default)}`"


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else f"{value:g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    """Text in a cell of a table; angle brackets are no HTML unless they are code."""
    parts = text.replace("``", "`").replace("|", "\\|").split("`")
    return "`".join(part if code % 2 else part.replace("<", "&lt;") for code, part in enumerate(parts))


def _anchor(title: str) -> str:
    """The address of a heading, as MyST and forges make it."""
    return "".join(letter for letter in title.lower() if letter.isalnum() or letter in "-_ ").replace(
        " ", "-"
    )


def commands_page() -> str:
    """Every command with its arguments."""
    lines = [NOTE, "# Command line\n"]
    lines.append(
        "`edgebuild COMMAND`, in the folder that holds `dvc.yaml` and `params.yaml`. Exit status: 0 success, 1 a\n"
        "finding (a result that is not acceptable), 2 wrong usage or configuration, 130 interrupted,\n"
        "141 nobody read the output to its end (`| head`).\n"
    )
    for command in COMMANDS:
        parser = argparse.ArgumentParser(f"edgebuild {command.name}", add_help=False)
        command.arguments(parser)
        lines += [f"## edgebuild {command.name}\n", f"{_about(command.run)}\n"]  # type: ignore[arg-type]
        rows = [_argument(action) for action in parser._actions]
        if rows:
            lines += ["| argument | meaning |", "| :-- | :-- |", *rows, ""]
        if command.epilog:
            lines.append(f"{command.epilog.strip()}\n")
    return "\n".join(lines)


def _argument(action: argparse.Action) -> str:
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
    value = value if action.nargs != 0 and isinstance(value, str) else ""
    name = " ".join(filter(None, [", ".join(action.option_strings), value])) or action.dest
    shown = name.replace("|", "\\|")
    return f"| `{shown}` | {_cell(action.help or '')} |"


def errors_page() -> str:
    """The tree of errors, as its module tells it."""
    about = inspect.cleandoc(errors.__doc__ or "")
    head, _, rest = about.partition("\n\n")
    tree, _, prose = rest.partition("\n\n")
    shown = textwrap.dedent(tree)
    return f"{NOTE}\n# Errors\n\n{head}\n\n```text\n{shown}\n```\n\n{prose}\n"


if __name__ == "__main__":
    main(sys.argv[1:])
