"""What belongs together, by the names of files: all that one speaker said, all that one machine did."""

from __future__ import annotations

import re

__all__ = ["Ungrouped", "group_of"]


class Ungrouped(ValueError):
    """A name from which no group can be read; the message says why."""


def group_of(pattern: str, name: str, knob: str) -> str:
    """What the first group of ``pattern`` finds in ``name``; ``knob`` of params.yaml holds the pattern.

    Raises:
        Ungrouped: nothing.
    """
    match = re.search(pattern, name)
    if match is None or not match[1]:
        raise Ungrouped(f"{knob}, {pattern!r}, finds nothing in {name!r}; rename it, or change the pattern")
    return match[1]
