"""What dvc.lock says of each stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgebuild.errors import UsageError

__all__ = ["Entry", "entries"]


@dataclass(frozen=True)
class Entry:
    """One stage of dvc.lock.

    ``deps`` and ``outs`` are path → digest (a folder's ends in ``.dir``), ``params``
    file → key → value.
    """

    cmd: str
    deps: Mapping[str, str]
    params: Mapping[str, Mapping[str, Any]]
    outs: Mapping[str, str]


def entries(text: str) -> dict[str, Entry]:
    """The stages of the text of a dvc.lock, by name.

    Raises:
        UsageError: it is no dvc.lock of schema 2.0.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe").load(text) or {}
        return {
            name: Entry(
                str(entry["cmd"]),
                {dep["path"]: _digest(dep) for dep in entry.get("deps", ())},
                entry.get("params", {}),
                {out["path"]: _digest(out) for out in entry.get("outs", ())},
            )
            for name, entry in document.get("stages", {}).items()
        }
    except (YAMLError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(
            f"dvc.lock cannot be understood ({type(error).__name__}: {error}); after a merge with conflicts, take one "
            f"side and run dvc repro"
        ) from None


def _digest(entry: Mapping[str, Any]) -> str:
    """The MD5, or what DVC has instead of one for a dep on another system (an ETag, say)."""
    return str(next((entry[name] for name in ("md5", "etag", "checksum") if name in entry), ""))
