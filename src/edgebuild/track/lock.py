"""Reading dvc.lock: its entries, the key of an entry, the key of a whole build.

Keys are what ties MLflow to DVC: a record and the dvc.lock entry written after it
give the same `entry_key`, whenever they are compared and in whatever store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "Entry",
    "build_key",
    "declared_stages",
    "entry_key",
    "flatten",
    "inconsistency",
    "read_lock",
    "read_yaml",
]


@dataclass(frozen=True)
class Entry:
    """One stage of dvc.lock. ``params`` is flat (dotted keys); deps and outs map paths to md5."""

    stage: str
    params: Mapping[str, object]
    deps: Mapping[str, str]
    outs: Mapping[str, str]

    @property
    def key(self) -> str:
        """The `entry_key` that the record of this stage's execution has too."""
        return entry_key(self.stage, self.params, self.outs)


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """``{"teacher": {"epochs": 3}}`` → ``{"teacher.epochs": 3}``; lists and empty mappings are leaves."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def entry_key(stage: str, params: Mapping[str, object], outs: Mapping[str, str]) -> str:
    """SHA-256 over the stage's name, its parameters (nested or dotted alike) and its outs' md5."""
    return _digest({"stage": stage, "params": flatten(params), "outs": dict(outs)})


def build_key(lock: Mapping[str, Any]) -> str:
    """SHA-256 over the given stages of dvc.lock (name → entry as DVC wrote it)."""
    return _digest(lock)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML 1.2 mapping, as DVC reads it (in YAML 1.1 ``1e-5`` would be a string)."""
    from ruamel.yaml import YAML

    loaded = YAML(typ="safe", pure=True).load(path.read_text())
    return dict(loaded) if isinstance(loaded, Mapping) else {}


def read_lock(stages: Mapping[str, Any]) -> dict[str, Entry]:
    """The entries of dvc.lock's ``stages`` mapping, by stage name."""
    return {
        name: Entry(
            stage=name,
            params=flatten(
                {key: value for file in (raw.get("params") or {}).values() for key, value in file.items()}
            ),
            deps={dep["path"]: dep.get("md5", "") for dep in raw.get("deps") or ()},
            outs={out["path"]: out.get("md5", "") for out in raw.get("outs") or ()},
        )
        for name, raw in stages.items()
    }


def declared_stages(root: Path) -> list[str]:
    """Names of all stages of dvc.yaml, templates and matrices resolved by DVC itself (1 to 2 s)."""
    from dvc.repo import Repo

    with Repo(str(root), uninitialized=True) as repo:
        return [stage.name for stage in repo.stage.load_all(str(root / "dvc.yaml"))]


def inconsistency(entries: Mapping[str, Entry], params: Mapping[str, object]) -> str | None:
    """Why these entries are not one finished build of these (flat) parameters, or None if they are.

    After an interrupted or failed build dvc.lock mixes new entries with old ones: then
    a stage's dependency no longer has the hash that the stage making it recorded.
    """
    made_by = {path: entry for entry in entries.values() for path in entry.outs}
    for entry in entries.values():
        for path, md5 in entry.deps.items():
            if path in made_by and made_by[path].outs[path] != md5:
                return f"{entry.stage} was not run on the present {path} of {made_by[path].stage}"
        for key, value in entry.params.items():
            if key in params and params[key] != value:
                return f"{entry.stage} was run with {key} = {value!r}, params.yaml says {params[key]!r}"
    return None
