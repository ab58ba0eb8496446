"""Section ``task`` of params.yaml: what the network is asked, and how its answers are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """What the network is asked."""

    kind: Literal["classification"]
