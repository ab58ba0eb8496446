"""A protobuf message as names and values, whatever its schema: nothing that is set is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["Pairs", "walk"]

Pairs = Iterator[tuple[str, object]]


def walk(message: Any, key: str, special: Callable[[Any, str], Pairs | None]) -> Pairs:
    """The fields of ``message`` that are set, in the order of their numbers, as ``key.field`` and value.

    ``special`` gives the pairs of messages that have a meaning of their own (tensors),
    or None. Entries of maps come in the order of their keys, which a file does
    not promise. Bytes are arrays of uint8.
    """
    for field, value in message.ListFields():
        name = f"{key}.{field.name}" if key else str(field.name)
        for place, item in _items(field, value, name):
            if field.message_type is None or not hasattr(item, "ListFields"):
                yield place, np.frombuffer(item, np.uint8) if isinstance(item, bytes) else item
                continue
            pairs = special(item, place)
            yield from walk(item, place, special) if pairs is None else pairs


def _items(field: Any, value: Any, name: str) -> Pairs:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for key in sorted(value):
            yield f"{name}[{key}]", value[key]
    elif field.is_repeated:
        for index, item in enumerate(value):
            yield f"{name}[{index}{_title(item)}]", item
    else:
        yield name, value


def _title(item: Any) -> str:
    """What an entry of a list is called besides its number: its kind of operation and its name, if it has them."""
    words = [getattr(item, word, "") for word in ("op_type", "name", "key")]
    return "".join(f" {word}" for word in words if isinstance(word, str) and word)
