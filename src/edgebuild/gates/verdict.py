"""Budgets held against results: one verdict each.

A limit on a finite sample can be kept, broken, or neither: the sample may be
too small to say. So a budget fails only where the data contradict it at the
stated confidence, passes where they prove it, and is "not proven" in between,
which is a warning; with ``strict`` it fails, too. What is counted and not
sampled (bytes, parity) is kept or broken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from edgebuild.gates.quality import loss, quality
from edgebuild.gates.quantity import QUANTITIES, Quantity
from edgebuild.gates.results import Results
from edgebuild.gates.speed import ratio
from edgebuild.measure.accuracy import wilson
from edgebuild.measure.paired import Interval, quantile
from edgebuild.params.budgets import Budgets, LatencyLimit, Limits

__all__ = ["Outcome", "Verdict", "verdicts"]

Outcome = Literal["passed", "not proven", "not measured", "failed"]


@dataclass(frozen=True)
class Verdict:
    """One budget of one variant.

    Numbers are in the limit's own unit (`edgebuild.params.budgets`). ``found`` is None
    where nothing was measured, ``interval`` None where nothing was sampled.
    ``fails`` says whether it stops a build: that depends on ``strict``, too.
    """

    variant: str
    what: str  #: a key of :data:`~edgebuild.gates.quantity.QUANTITIES`
    limit: float
    found: float | None
    interval: Interval | None
    outcome: Outcome
    fails: bool
    note: str = ""

    @property
    def quantity(self) -> Quantity:
        return QUANTITIES[self.what]

    @property
    def margin(self) -> float | None:
        """How far the figure is on the good side of its limit; negative beyond it."""
        return None if self.found is None else self.quantity.margin(self.limit, self.found)


def verdicts(budgets: Budgets, results: Results, names: Collection[str] | None = None) -> tuple[Verdict, ...]:
    """Every budget that applies, in the order of the summary's variants; of ``names`` alone, where they are given.

    A variant is not compared with itself, and only files that were compared with
    their graph have parity.
    """
    return tuple(
        replace(verdict, fails=_fails(verdict.outcome, budgets.strict))
        for name in results.variants
        if names is None or name in names
        for verdict in _judge(name, budgets.of(name), budgets, results)
    )


def _fails(outcome: Outcome, strict: bool) -> bool:
    return outcome == "failed" or (strict and outcome in ("not proven", "not measured"))


def _judge(name: str, limits: Limits, budgets: Budgets, results: Results) -> Iterator[Verdict]:
    for what, limit in limits.stated().items():
        if isinstance(limit, LatencyLimit):
            reference = limit.reference(name)
            if reference != name:
                yield _latency(name, reference, limit.ratio, budgets, results)
        elif what == "accuracy":
            yield _quality(name, limit, budgets.confidence, results)
        elif what in ("agreement", "drop"):
            if name != results.reference:
                judge = _agreement if what == "agreement" else _drop
                yield judge(name, limit, budgets.confidence, results)
        elif what == "memory_bytes":
            yield _memory(name, limit, results)
        else:
            yield from _counted(name, what, limit, results)


def _quality(name: str, limit: float, confidence: float, results: Results) -> Verdict:
    found, interval = quality(results, name, confidence)
    verdict = _sampled(name, "accuracy", limit, found, interval)
    return _hinted(verdict, quantile(confidence)) if results.counted else verdict


def _agreement(name: str, limit: float, confidence: float, results: Results) -> Verdict:
    """Wilson's interval, as if each example were one decision: several in one depend on each other."""
    count, total = results.share(name, "agreement_with_reference")
    z = quantile(confidence)
    return _hinted(_sampled(name, "agreement", limit, count / total, wilson(count, total, z)), z)


def _hinted(verdict: Verdict, z: float) -> Verdict:
    """With the number of examples that would prove it: that at which Wilson's lower end is the limit."""
    limit, margin = verdict.limit, verdict.margin
    if verdict.outcome != "not proven" or margin is None or margin <= 0:
        return verdict
    enough = round(z * z * limit * (1 - limit) / margin**2) + 1
    return replace(verdict, note=f"the same share of about {enough:,} test examples would prove it")


def _drop(name: str, limit: float, confidence: float, results: Results) -> Verdict:
    lost = loss(results, results.reference, results, name, confidence)
    low, high = lost.interval
    return replace(_sampled(name, "drop", limit, 100 * lost.found, (100 * low, 100 * high)), note=lost.note)


def _latency(name: str, reference: str, limit: float, budgets: Budgets, results: Results) -> Verdict:
    measured = ratio(results, name, reference, confidence=budgets.confidence, noise=budgets.latency_noise)
    interval = measured.interval(budgets.confidence)
    if measured.found is None or interval is None:
        return Verdict(name, "latency", limit, None, None, "not measured", False, measured.note)
    note = "; ".join(filter(None, [f"of {reference}", measured.note]))
    return replace(_sampled(name, "latency", limit, measured.found, interval), note=note)


def _memory(name: str, limit: float, results: Results) -> Verdict:
    time = results.times.get(name)
    if time is None or time["peak_rss_bytes"] is None:
        why = "it was not benchmarked" if time is None else f"it was not run: {time['not_run']}"
        return Verdict(name, "memory_bytes", limit, None, None, "not measured", False, why)
    return _exact(name, "memory_bytes", limit, time["peak_rss_bytes"])


def _counted(name: str, what: str, limit: float, results: Results) -> Iterator[Verdict]:
    """Bytes and parity: facts of the file."""
    keys = {"bytes": "size_bytes", "parity_labels": "oracle_labels", "parity_logits": "oracle_equal"}
    found = results.variants[name][keys.get(what, what)]
    if found is not None:
        yield _exact(name, what, limit, found)
    elif what == "parity_logits" and results.variants[name]["precision"] == "int8":
        yield Verdict(name, what, limit, None, None, "not measured", False, "its output is not on a grid")


def _exact(name: str, what: str, limit: float, found: float) -> Verdict:
    kept = QUANTITIES[what].margin(limit, found) >= 0
    return Verdict(name, what, limit, found, None, "passed" if kept else "failed", False)


def _sampled(name: str, what: str, limit: float, found: float, interval: Interval) -> Verdict:
    worst, best = sorted(QUANTITIES[what].margin(limit, end) for end in interval)
    outcome: Outcome = "failed" if best < 0 else "passed" if worst >= 0 else "not proven"
    return Verdict(name, what, limit, found, interval, outcome, False)
