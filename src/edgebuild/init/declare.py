"""dvc.yaml for a repository of a user: the template's, with the library as one pinned package.

Here every stage declares the files of the library that it imports. There the library is
installed, and `edgebuild.build.environment.library` stands for it. Only the lists of deps are
written anew; what else the file says, comments included, stays as it is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from edgebuild.build import yaml_list
from edgebuild.build.environment import library

__all__ = ["adapt"]

LOCK = "requirements/runtime.txt"
LIBRARY = "src/edgebuild"
HEADER = """\
# The build, stage by stage. A stage runs the file of stages/ among its deps, and sees nothing but its deps and
# params; code of yours that it imports has to be among them (`edgebuild deps` tells). The library that the stages
# call is pinned by requirements/edgebuild.txt. The knobs are in params.yaml.
# Outputs labelled `machine` depend on the machine; all others are the same bytes for everyone.
"""


def adapt(text: str, inputs: Mapping[str, Sequence[str]]) -> str:
    """The template's dvc.yaml ``text`` without the library's files, with ``inputs`` (by stage) as deps in front.

    An input may be a path or a template of DVC, such as ``${data.folder}``.
    """
    stages = _mapping(_mapping(yaml_list.compose(text))["stages"])
    for name in reversed(stages):  # from the end, so that the places of the others stay what they are
        entry = _mapping(stages[name])
        deps = (_mapping(entry["do"]) if "do" in entry else entry)["deps"]
        written = [text[item.start_mark.index : item.end_mark.index] for item in deps.value]
        kept = [item for item in written if not item.strip("\"'").startswith(LIBRARY)]
        at = kept.index(LOCK) + 1
        items = [*map(yaml_list.quoted, inputs.get(name, ())), *kept[:at], library.NAME, *kept[at:]]
        start, end = deps.start_mark.index, deps.end_mark.index
        line = text.rfind("\n", 0, start) + 1
        text = text[:start] + _wrapped(items, start - line, _indent(text[line:start])) + text[end:]
    return HEADER + text[text.index("stages:") :]


def _wrapped(items: Sequence[str], column: int, indent: str) -> str:
    """The items in brackets, within the width, where the first line begins at ``column``; no item has a space."""
    lines = textwrap.wrap(
        f"[{', '.join(items)}]",
        yaml_list.WIDTH,
        initial_indent=" " * column,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)[column:]


def _indent(before: str) -> str:
    return before[: len(before) - len(before.lstrip())]


def _mapping(node: Any) -> dict[str, Any]:
    return {key.value: value for key, value in node.value}
