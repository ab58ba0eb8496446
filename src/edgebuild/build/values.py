"""Values of params.yaml as they are written: by dotted key, and the texts among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["at", "texts"]


def at(values: object, dotted: str) -> Any:
    """What ``values`` have under a key such as ``distill.teacher``; None where they have no such key."""
    for part in dotted.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def texts(value: object) -> Iterator[str]:
    """Every text in a value, however deep it lies in mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
