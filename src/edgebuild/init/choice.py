"""What `edgebuild init` has chosen, for the table at its end: what, its value, and what it was read off."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Choice"]


@dataclass(frozen=True)
class Choice:
    """One line of the table."""

    what: str
    value: str
    why: str = ""
