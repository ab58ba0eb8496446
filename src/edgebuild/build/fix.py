"""Writes into dvc.yaml what :mod:`edgebuild.build.closure` finds missing or needless, and nothing else.

The file is edited as text, so that its diff shows the paths concerned. The
result is parsed and compared with what is meant before it is written; where
the two differ, a person has to edit the file, and is told what.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from edgebuild.build import yaml_list
from edgebuild.build.closure import STAGES, Difference, compare, is_code
from edgebuild.errors import UsageError

__all__ = ["edit", "fix", "position"]


def fix(root: Path) -> list[Difference]:
    """Mend the code deps of ``root``/dvc.yaml; returns what was mended.

    Raises:
        UsageError: dvc.yaml cannot be understood, or only a person can change
            it, or somebody has changed it meanwhile; it is as it was.
    """
    path = (root / "dvc.yaml").resolve()  # a link stays a link
    before = path.read_bytes() if path.is_file() else b""
    if differences := compare(root):
        after = edit(before.decode(), differences, lambda dep: is_code(root, dep))
        _replace(path, before, after.encode())
    return differences


def edit(text: str, differences: Sequence[Difference], holds_code: Callable[[str], bool]) -> str:
    """``text``, of a dvc.yaml, with the deps that ``differences`` asks for.

    Raises:
        UsageError: the deps are not written out where the stage stands.
    """
    for difference in differences:
        try:
            text = _edit(text, difference, holds_code)
        except (YAMLError, KeyError, ValueError, IndexError, AttributeError):
            raise UsageError(
                f"dvc.yaml: the deps of stages.{difference.stage} must be a list of plain paths of its own to be "
                f"edited, but they use an anchor, an alias, a template or a merge; edit them by hand:\n{difference}"
            ) from None
    return text


def position(deps: Sequence[str], path: str, holds_code: Callable[[str], bool]) -> int:
    """Where ``path`` belongs in ``deps``: among the code that shares most folders with it, sorted; else after it."""
    code = [index for index, dep in enumerate(deps) if holds_code(dep) and not dep.startswith(f"{STAGES}/")]
    if not code:
        stage = [index for index, dep in enumerate(deps) if dep.startswith(f"{STAGES}/")]
        return stage[-1] + 1 if stage else len(deps)
    shared = {index: _shared(deps[index], path) for index in code}
    siblings = [index for index in code if shared[index] == max(shared.values())]
    before = [index for index in siblings if deps[index] < path]
    return before[-1] + 1 if before else siblings[0]


def _edit(text: str, difference: Difference, holds_code: Callable[[str], bool]) -> str:
    wanted = _unshared(YAML(typ="safe", pure=True).load(text))
    deps: list[str] = _deps(wanted, difference.stage)
    result = text
    for path in difference.needless:
        result = yaml_list.remove(result, _node(result, difference.stage), deps.index(path))
        deps.remove(path)
    for path in difference.missing:
        index = position(deps, path, holds_code)
        result = yaml_list.add(result, _node(result, difference.stage), path, index)
        deps.insert(index, path)
        result = _wrapped(result, difference.stage, index)
    if _unshared(YAML(typ="safe", pure=True).load(result)) != wanted:
        raise ValueError("the text does not say what is meant")
    return result


def _wrapped(text: str, stage: str, index: int) -> str:
    """``text`` with the line of item ``index``, and what is pushed out of it, kept within the width."""
    items = _node(text, stage)
    number = items.value[index].start_mark.line
    while items.flow_style and (broken := yaml_list.wrap(text, items, number)) != text:
        text, items, number = broken, _node(broken, stage), number + 1
    return text


def _deps(document: Any, stage: str) -> Any:
    entry = document["stages"][stage]
    return (entry["do"] if "foreach" in entry else entry)["deps"]


def _node(text: str, stage: str) -> Any:
    """The node of the list of deps; KeyError if it is not written out."""

    def mapping(node: Any) -> dict[str, Any]:
        return {key.value: value for key, value in node.value}

    entry = mapping(mapping(mapping(yaml_list.compose(text))["stages"])[stage])
    return (mapping(entry["do"]) if "foreach" in entry else entry)["deps"]


def _unshared(value: Any) -> Any:
    """A copy in which nothing that an alias repeats is one object."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _shared(one: str, other: str) -> int:
    """How many folders two paths have in common."""
    count = 0
    for mine, its in zip(one.split("/"), other.split("/")[:-1], strict=False):
        if mine != its:
            break
        count += 1
    return count


def _replace(path: Path, before: bytes, after: bytes) -> None:
    """Put ``after`` in the place of ``before``, at once and with the same mode."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
        os.chmod(name, path.stat().st_mode)
        if path.read_bytes() != before:
            raise UsageError("dvc.yaml was changed by somebody else meanwhile and is left alone; try again")
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
