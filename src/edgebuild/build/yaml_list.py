"""Adds and removes items of a list in a YAML text, changing no other character of it.

A YAML library that loads and dumps gives back another layout, and a diff that
nobody reads. Here the parser only says where the items stand, and the text is
cut there: comments, order, quotes and line breaks stay as they are. Lists in
brackets may cover several lines; a line that has become too long is broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML

__all__ = ["add", "compose", "quoted", "remove", "values", "wrap"]

#: Columns of a line, above which a list in brackets is continued on the next.
WIDTH = 110
#: How far a continued list is indented beyond the line that it begins on, if it has no such line yet.
INDENT = 2
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")


def compose(text: str) -> Any:
    """The tree of nodes of ``text``, with their places; the same texts give the same places."""
    return YAML(typ="safe", pure=True).compose(text)


def values(items: Any) -> list[str]:
    """The texts in a list node."""
    return [str(item.value) for item in items.value]


def add(text: str, items: Any, value: str, index: int) -> str:
    """``text`` with ``value`` before item ``index`` of the list node ``items``, or after its last."""
    nodes, item = items.value, quoted(value)
    if not items.flow_style:
        return _add_line(text, nodes, item, index)
    if index < len(nodes):
        start = nodes[index].start_mark.index
        return f"{text[:start]}{item}, {text[start:]}"
    end = nodes[-1].end_mark.index if nodes else items.start_mark.index + 1
    return f"{text[:end]}{', ' if nodes else ''}{item}{text[end:]}"


def remove(text: str, items: Any, index: int) -> str:
    """``text`` without item ``index`` of the list node ``items``; a comment in its own line stays."""
    nodes = items.value
    start, end = nodes[index].start_mark.index, nodes[index].end_mark.index
    if not items.flow_style:
        return text[: _line_start(text, start)] + text[_line_end(text, end) :]
    if index + 1 < len(nodes):
        after = text[end : nodes[index + 1].start_mark.index]
        if "\n" not in after:
            return text[:start] + text[end + len(after) :]
        return _cut(text, start, end + after.index(",") + 1)
    before = nodes[index - 1].end_mark.index if index else start
    gap = text[before:start]
    if "#" in gap:  # the comment would swallow what follows
        comma = before + gap.index(",")
        return text[:comma] + text[comma + 1 : start] + text[end:]
    return text[:before] + text[end:]


def wrap(text: str, items: Any, number: int) -> str:
    """``text`` with line ``number`` (from 0) of the bracketed list ``items`` broken if it is too long."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    line = lines[number].rstrip("\r\n")
    starts = [item.start_mark.column for item in items.value if item.start_mark.line == number]
    fitting = [at for at in starts if line[:at].rstrip().endswith(",") and len(line[:at].rstrip()) <= WIDTH]
    if len(line) <= WIDTH or not fitting or "#" in line:
        return text
    newline = lines[number][len(line) :] or "\n"
    indent = _continued(lines, items)
    head, tail = line[: fitting[-1]].rstrip(), line[fitting[-1] :]
    following = [item for item in items.value if item.start_mark.line == number + 1]
    joined = ""
    if following and tail.rstrip().endswith(","):
        joined = f"{indent}{tail.rstrip()} {lines[number + 1].lstrip()}"
    if joined and len(joined.rstrip("\r\n")) <= WIDTH:
        lines[number : number + 2] = [head + newline, joined]
    else:
        lines[number : number + 1] = [head + newline, f"{indent}{tail}{newline}"]
    return "".join(lines)


def _add_line(text: str, nodes: Sequence[Any], item: str, index: int) -> str:
    """A list of lines: after the item before, so that a comment above the next stays with it."""
    beside = nodes[max(index - 1, 0)]
    start = _line_start(text, beside.start_mark.index)
    dash = text[start : beside.start_mark.index]
    end = _line_end(text, beside.end_mark.index)
    newline = "\r\n" if "\r\n" in text else "\n"
    at = end if index else start
    missing = newline if at == len(text) and not text.endswith("\n") else ""
    return f"{text[:at]}{missing}{dash}{item}{newline}{text[at:]}"


def _cut(text: str, start: int, end: int) -> str:
    """``text`` without a range, the spaces before it, and its line if nothing else stands there."""
    before = text[:start].rstrip(" \t")
    rest = text[end : _line_end(text, end)]
    if before.endswith("\n") and not rest.strip():
        return before + text[end + len(rest) :]
    return (text[:start] if before.endswith("\n") else before) + text[end:]


def _continued(lines: Sequence[str], items: Any) -> str:
    """What the lines of a list in brackets begin with, after the first."""
    first = items.start_mark.line
    later = [item.start_mark.line for item in items.value if item.start_mark.line > first]
    line: str = lines[later[0] if later else first]
    return line[: len(line) - len(line.lstrip(" "))] + ("" if later else " " * INDENT)


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Behind the line break."""
    return text.find("\n", at) + 1 or len(text)


def quoted(value: str) -> str:
    """``value`` as YAML: JSON's strings are YAML's."""
    return value if PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
