"""What is measured of one file on one runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgebuild.measure.latency import Latency

__all__ = ["Measurement"]


@dataclass(frozen=True)
class Measurement:
    """One model on one runtime, batch 1.

    ``first_load_ms`` includes what happens once per process: importing the
    runtime and reading the file from a cold cache. ``load_ms`` is a second load,
    with both warm. ``peak_rss_bytes`` is that of the whole process after the
    timed runs (see :func:`~edgebuild.measure.latency.peak_rss_bytes`). Where
    ``not_run`` says why nothing was measured, all of these are None.
    """

    threads: int
    latency: Latency | None
    load_ms: float | None
    first_load_ms: float | None
    peak_rss_bytes: int | None
    not_run: str | None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Measurement:
        """From the document that ``asdict`` makes.

        Raises:
            TypeError, KeyError: it is another document.
        """
        latency = document["latency"]
        if latency is not None:  # JSON has no tuples
            latency = Latency(**{**latency, "blocks": tuple(latency["blocks"])})
        return cls(**{**document, "latency": latency})

    def metrics(self) -> dict[str, float]:
        """The numbers worth tracking; none where nothing was measured."""
        if self.latency is None or self.load_ms is None or self.peak_rss_bytes is None:
            return {}
        return {
            "latency_p50_us": self.latency.p50,
            "latency_p90_us": self.latency.p90,
            "load_ms": self.load_ms,
            "peak_rss_bytes": self.peak_rss_bytes,
        }

    def __str__(self) -> str:
        if self.latency is None:
            return f"not timed: {self.not_run}"
        return f"p50 {self.latency.p50:.1f} µs, p90 {self.latency.p90:.1f} µs on {self.threads} thread(s)"
