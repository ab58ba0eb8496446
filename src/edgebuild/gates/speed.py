"""How many times longer one variant takes than another, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgebuild.gates.intervals import bootstrap_ratio, percentile_error
from edgebuild.gates.results import Results
from edgebuild.measure.paired import Interval, quantile

__all__ = ["Ratio", "ratio"]

#: A bootstrap of fewer blocks says little.
BLOCKS = 8


@dataclass(frozen=True)
class Ratio:
    """A quotient of two medians; or None, and ``note`` says why it was not measured."""

    found: float | None
    error: float  #: standard error of the quotient's logarithm
    note: str

    def interval(self, confidence: float) -> Interval | None:
        """Between which quotients the true one lies; None where nothing was measured."""
        if self.found is None:
            return None
        if not math.isfinite(self.error):
            return 0.0, math.inf
        wide = quantile(confidence) * self.error
        return self.found * math.exp(-wide), self.found * math.exp(wide)


def ratio(results: Results, name: str, reference: str, *, confidence: float, noise: float) -> Ratio:
    """The median latency of ``name`` as a multiple of ``reference``'s.

    Two uncertainties are added, in logarithm and in squares: that of a finite
    number of timings in one process, and ``noise``, the relative standard
    deviation of a median from one process to the next, of which timings within a
    process know nothing.
    """
    times = results.times
    for part in (name, reference):
        if part not in times:
            return Ratio(None, math.inf, f"{part} was not benchmarked")
        if times[part]["not_run"] is not None:
            return Ratio(None, math.inf, f"{part} was not run: {times[part]['not_run']}")
    machines = [results.machines.get(part) for part in (name, reference)]
    if None not in machines and machines[0] != machines[1]:
        return Ratio(
            None, math.inf, f"timed on {machines[0]}, but {reference} on {machines[1]}: build both here"
        )
    one, two = times[name], times[reference]
    found = one["latency_us"]["p50"] / two["latency_us"]["p50"]
    within, note = _within(one, two, found, confidence)
    if not math.isfinite(within):
        note = "too few runs to say how sure this is"
    error = math.hypot(within / quantile(confidence), math.sqrt(2) * noise)
    return Ratio(found, error, note)


def _within(
    one: Mapping[str, Any], two: Mapping[str, Any], found: float, confidence: float
) -> tuple[float, str]:
    """The larger logarithmic half width that the timings of the two processes give, and how it was found."""
    first, second = one.get("blocks_us") or (), two.get("blocks_us") or ()
    if min(len(first), len(second)) >= BLOCKS:
        low, high = bootstrap_ratio(first, second, confidence)
        return max(math.log(found / low), math.log(high / found), 0.0), ""
    errors = [
        percentile_error(entry["latency_us"]["p50"], entry["latency_us"]["p90"], entry["runs"], confidence)
        for entry in (one, two)
    ]
    return math.hypot(*errors), "interval from p50, p90 and the number of runs, as blocks were not kept"
