"""`edgebuild init --upgrade`: a user's repository takes the edgebuild that is installed now.

The locks are edgebuild's and are written anew. dvc.yaml, params.yaml and the stages are the
user's: where the new library wants them otherwise, that is told, and a stage file that
was deleted comes back as the template has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgebuild.build.environment import library
from edgebuild.errors import UsageError
from edgebuild.init import declare, template
from edgebuild.init.plan import Plan
from edgebuild.init.write import difference
from edgebuild.params import read
from edgebuild.strict import read_yaml

__all__ = ["needed", "upgrade"]


def upgrade(root: Path) -> Plan:
    """The locks for the edgebuild that is installed, and the stage files that are not there."""
    missing = {name: template.read(name) for name in template.stage_files() if not (root / name).exists()}
    return Plan({declare.LOCK: template.read(declare.LOCK), library.NAME: library.pin(), **missing}, {})


def needed(root: Path) -> Iterator[str]:
    """What is left to a person: how files of ``root`` differ from what this edgebuild would have written."""
    try:
        read(root / "params.yaml")
    except UsageError as error:
        yield f"{error}\n  see `edgebuild init --dry-run` and docs/reference for what is new"
    try:
        stages = list(_other_stages(root))
    except UsageError as error:
        yield str(error)
        stages = []
    if stages:
        yield f"dvc.yaml: {', '.join(stages)} differ(s) from this edgebuild's template in more than deps"
    for name in template.stage_files():
        if found := difference(root, name, template.read(name)):
            yield f"{found}\n{name} differs; if it is not your own change, delete it and say --upgrade again"


def _other_stages(root: Path) -> Iterator[str]:
    here = _entries(read_yaml(root / "dvc.yaml"))
    for name, entry in _entries(_parsed(template.read("dvc.yaml"))).items():
        if name not in here or {**here[name], "deps": None} != {**entry, "deps": None}:
            yield name


def _entries(document: object) -> Mapping[str, dict[str, Any]]:
    stages = document.get("stages") if isinstance(document, Mapping) else None
    entries = stages if isinstance(stages, Mapping) else {}
    return {
        name: {**{key: value for key, value in entry.items() if key != "do"}, **entry.get("do", {})}
        for name, entry in entries.items()
        if isinstance(entry, Mapping)
    }


def _parsed(text: str) -> object:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)
