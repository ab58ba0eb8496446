"""The quantities that have budgets: which way is good, and how their numbers are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["QUANTITIES", "Quantity"]


@dataclass(frozen=True)
class Quantity:
    """One kind of figure. ``floor``: more is better, and a limit is the least that is allowed."""

    title: str
    floor: bool
    write: Callable[[float], str]
    #: differences, where they are written in another unit
    write_difference: Callable[[float], str] | None = None

    def margin(self, limit: float, found: float) -> float:
        """How far ``found`` lies on the good side of ``limit``, in the figure's own unit; negative beyond it."""
        return found - limit if self.floor else limit - found

    def difference(self, value: float) -> str:
        """``value``, a margin, with its sign."""
        text = (self.write_difference or self.write)(value)
        return text if text.startswith("−") else f"+{text}"

    def limit(self, value: float) -> str:
        return f"{'≥' if self.floor else '≤'} {self.write(value)}"


def _percent(share: float) -> str:
    return f"{100 * share:z.2f} %".replace("-", "−")


def _points(points: float) -> str:
    return f"{points:z.2f} pt".replace("-", "−")


def _in_points(share: float) -> str:
    return _points(100 * share)


def _bytes(count: float) -> str:
    return f"{count:,.0f} B".replace("-", "−")


def _mebibytes(count: float) -> str:
    return f"{count / 2**20:z,.1f} MiB".replace("-", "−")


def _times(ratio: float) -> str:
    return f"{ratio:z.3f} ×".replace("-", "−")


#: By the name of its limit in params.yaml.
QUANTITIES: Mapping[str, Quantity] = {
    "accuracy": Quantity("accuracy", floor=True, write=_percent, write_difference=_in_points),
    "drop": Quantity("drop against the teacher", floor=False, write=_points),
    "agreement": Quantity(
        "agreement with the teacher", floor=True, write=_percent, write_difference=_in_points
    ),
    "parity_labels": Quantity(
        "answers as its graph", floor=True, write=_percent, write_difference=_in_points
    ),
    "parity_logits": Quantity("logits as its graph", floor=True, write=_percent, write_difference=_in_points),
    "bytes": Quantity("size", floor=False, write=_bytes),
    "gzip_bytes": Quantity("size after gzip", floor=False, write=_bytes),
    "latency": Quantity("latency", floor=False, write=_times),
    "memory_bytes": Quantity("peak memory", floor=False, write=_mebibytes),
}
