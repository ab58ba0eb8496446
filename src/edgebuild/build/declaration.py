"""What dvc.yaml declares for each stage: its deps, params and outs, with templates filled in.

DVC's own loader costs 1.3 to 1.5 s of imports, more than most stages run, so
this reads the part of the syntax that the template uses: ``foreach`` over a
mapping or a list of names, ``${key}``, ``${item.field}`` and ``${section.key}``. Anything else is
refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.errors import DeclarationError, UsageError
from edgebuild.strict import read_yaml

__all__ = ["Declaration", "declaration", "declarations"]

OUTPUT_KEYS = ("outs", "metrics", "plots")
#: DVC's syntax that would change what a stage is, and that is not read here
UNREAD_KEYS = ("matrix", "vars", "wdir")
#: DVC's ``labels`` of an output: its bytes depend on the machine
MACHINE = "machine"
TEMPLATE = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Declaration:
    """One stage, as ``dvc repro`` would run it; paths are relative to dvc.yaml.

    ``name`` is DVC's address, such as ``export@pruned-onnx-int8``; ``base`` is
    the part before the @ and ``key`` the part after it, or "". ``params`` are
    dotted keys of params.yaml. ``machine`` are those of ``outs`` that carry the
    label ``machine``: they depend on the machine, so nobody can promise their
    bytes. ``network`` says whether the stage may reach the network, and
    ``environment`` which variables it may see beside those that every stage does.
    """

    name: str
    cmd: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    machine: tuple[str, ...] = ()
    network: bool = False
    environment: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        return self.name.partition("@")[0]

    @property
    def key(self) -> str:
        return self.name.partition("@")[2]


def declarations(root: Path) -> dict[str, Declaration]:
    """Every stage of ``root``/dvc.yaml by name, in the order of the file.

    Raises:
        UsageError: dvc.yaml or params.yaml is missing or cannot be understood.
    """
    values = read_yaml(root / "params.yaml")
    stages = _mapping(_mapping(read_yaml(root / "dvc.yaml"), "dvc.yaml").get("stages"), "dvc.yaml: stages")
    return {
        stage.name: stage
        for name, entry in stages.items()
        for stage in _expand(
            name, _mapping(entry, f"dvc.yaml: stages.{name}"), {**_mapping(values, "params.yaml")}
        )
    }


def declaration(root: Path, name: str) -> Declaration:
    """The stage ``name``.

    Raises:
        UsageError: there is no such stage; the message lists those there are.
    """
    known = declarations(root)
    if name not in known:
        keys = [stage.name for stage in known.values() if stage.base == name] or list(known)
        raise UsageError(f"dvc.yaml has no stage {name!r}; it has {', '.join(keys)}")
    return known[name]


def _expand(name: str, entry: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Declaration]:
    if unread := [key for key in UNREAD_KEYS if key in entry]:
        raise DeclarationError(
            f"dvc.yaml: stages.{name}: edgebuild reads foreach and templates, not {', '.join(unread)}"
        )
    if "foreach" not in entry:
        yield _resolve(name, entry, values)
        return
    items, body = entry["foreach"], _mapping(entry.get("do"), f"dvc.yaml: stages.{name}.do")
    if isinstance(items, str):
        items = _look_up(items.removeprefix("${").removesuffix("}"), values, name)
    if isinstance(items, list):
        for item in items:
            if not isinstance(item, str | int):
                raise DeclarationError(f"dvc.yaml: stages.{name}.foreach: {item!r} cannot name a stage")
            yield _resolve(f"{name}@{item}", body, {**values, "item": item})
        return
    for key, item in _mapping(items, f"dvc.yaml: stages.{name}.foreach").items():
        yield _resolve(f"{name}@{key}", body, {**values, "key": key, "item": item})


def _resolve(name: str, entry: Mapping[str, Any], values: Mapping[str, Any]) -> Declaration:
    def fill(text: object) -> str:
        if not isinstance(text, str):
            raise DeclarationError(f"dvc.yaml: stages.{name}: {text!r} is not a text")
        return TEMPLATE.sub(lambda match: str(_look_up(match[1].strip(), values, name)), text)

    def listed(kind: str) -> tuple[str, ...]:
        # An output may be a mapping of one path to its options; a mapping among params names another file.
        return tuple(
            fill(next(iter(item)) if kind in OUTPUT_KEYS and isinstance(item, Mapping) and item else item)
            for item in entry.get(kind) or ()
        )

    outs = tuple(path for kind in OUTPUT_KEYS for path in listed(kind))
    machine = tuple(
        fill(path)
        for kind in OUTPUT_KEYS
        for item in entry.get(kind) or ()
        if isinstance(item, Mapping)
        for path, options in item.items()
        if MACHINE in (options or {}).get("labels", ())
    )
    meta = entry.get("meta") or {}
    return Declaration(
        name=name,
        cmd=fill(entry.get("cmd")),
        deps=listed("deps"),
        params=listed("params"),
        outs=outs,
        machine=machine,
        network=fill(str(meta.get("network", "false")).lower()) == "true",
        environment=tuple(meta.get("environment") or ()),
    )


def _look_up(dotted: str, values: Mapping[str, Any], stage: str) -> Any:
    found: Any = values
    for part in dotted.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise DeclarationError(f"dvc.yaml: stages.{stage}: ${{{dotted}}} is not in params.yaml")
        found = found[part]
    return found if not isinstance(found, bool) else str(found).lower()  # as DVC writes it


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DeclarationError(f"{where} is not a mapping")
    return value
