"""What got worse against another revision, and whether that can be chance.

Quality is tested on the examples: with McNemar's test where both revisions
answered the same ones and their answers are at hand, otherwise as two
independent samples, which sees less. Bytes are counted. Latency is compared as
the ratio to the teacher in the same format, because two revisions were timed at
different times. The p-values of one quantity are adjusted for the number of
variants.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgebuild.gates.intervals import hochberg, p_from_interval
from edgebuild.gates.quality import loss
from edgebuild.gates.results import Results
from edgebuild.gates.speed import Ratio, ratio
from edgebuild.measure.paired import Interval
from edgebuild.params.budgets import Budgets

__all__ = ["Change", "Judgement", "changes"]

Judgement = Literal["worse", "tolerated", "not significant", "same", "better", "not compared"]


@dataclass(frozen=True)
class Change:
    """One figure of one variant in two revisions.

    ``before`` and ``now`` are shares, bytes or ratios. ``by`` is positive where it
    got worse: points of quality lost, or relative growth of bytes or ratio;
    ``interval`` is that of ``by``, and ``p`` the adjusted two-sided p-value that
    ``by`` is what is tolerated (0 where it got better). Only "worse" stops a build.
    """

    variant: str
    what: Literal["accuracy", "bytes", "latency"]
    before: float | None
    now: float | None
    by: float | None
    interval: Interval | None
    p: float | None
    judgement: Judgement
    note: str = ""

    @property
    def fails(self) -> bool:
        return self.judgement == "worse"


def changes(now: Results, then: Results, budgets: Budgets | None) -> tuple[Change, ...]:
    """Every variant that both revisions have: quality, bytes, latency; then those that only one of them has.

    Of Keras models, which nobody ships, it is quality alone.
    ``budgets`` states confidence, noise and what is tolerated; without them it
    is 0.95, 5% and nothing.
    """
    stated = budgets or Budgets({})
    both = [name for name in now.variants if name in then.variants]
    shipped = [name for name in both if now.variants[name]["format"] != "keras"]
    times = [change for name in shipped for change in _latency(name, now, then, stated)]
    found = [
        *_significant([_quality(name, now, then, stated) for name in both], stated.confidence),
        *(_bytes(name, now, then, stated.tolerated.bytes) for name in shipped),
        *_significant(times, stated.confidence),
    ]
    order = {name: index for index, name in enumerate(both)}
    found.sort(key=lambda change: order[change.variant])
    new = [(name, "new: the other revision has none") for name in now.variants if name not in order]
    gone = [(name, "gone: only the other revision has it") for name in then.variants if name not in order]
    return (*found, *(_not_compared(name, "accuracy", None, None, why) for name, why in (*new, *gone)))


def _not_compared(
    name: str, what: Literal["accuracy", "latency"], before: float | None, now: float | None, why: str
) -> Change:
    return Change(name, what, before, now, None, None, None, "not compared", why)


def _judgement(by: float, tolerated: float) -> Judgement:
    return "same" if by == 0 else "better" if by < 0 else "tolerated" if by <= tolerated else "worse"


def _limit(judgement: Judgement, tolerated: float) -> str:
    return f"{tolerated:.0%} is tolerated" if judgement == "worse" else ""


def _significant(found: Sequence[Change], confidence: float) -> list[Change]:
    """The same changes, with p-values adjusted for their number and a judgement by them."""
    tested = [index for index, change in enumerate(found) if change.judgement in ("worse", "better")]
    result = list(found)
    for index, p in zip(tested, hochberg([found[index].p or 0.0 for index in tested]), strict=True):
        change = replace(found[index], p=p)
        result[index] = change if p < 1 - confidence else replace(change, judgement="not significant")
    return result


def _quality(name: str, now: Results, then: Results, budgets: Budgets) -> Change:
    before, after = then.variants[name]["accuracy"], now.variants[name]["accuracy"]
    if not then.comparable:
        why = f"section task of params.yaml was another one, with the kind {then.kind}"
        return _not_compared(name, "accuracy", before, after, why)
    if now.test_set == then.test_set and _file(now, name) == _file(then, name):
        return Change(name, "accuracy", before, after, 0.0, None, None, "same", "the same file")
    lost = loss(then, name, now, name, budgets.confidence)
    by, tolerated = 100 * lost.found, budgets.tolerated.drop
    judgement: Judgement = "same" if lost.same else _judgement(by, tolerated)
    p = lost.p(tolerated / 100 if judgement == "worse" else 0.0, budgets.confidence)
    interval = (100 * lost.interval[0], 100 * lost.interval[1])
    return Change(name, "accuracy", before, after, by, interval, p, judgement, lost.note)


def _file(results: Results, name: str) -> str:
    return str(results.variants[name]["sha256"])


def _bytes(name: str, now: Results, then: Results, tolerated: float) -> Change:
    before, after = (results.variants[name]["size_bytes"] for results in (then, now))
    by = after / before - 1
    judgement = _judgement(by, tolerated)
    return Change(name, "bytes", before, after, by, None, None, judgement, _limit(judgement, tolerated))


def _latency(name: str, now: Results, then: Results, budgets: Budgets) -> Iterator[Change]:
    """No change where neither revision could time it; the teacher itself is what others are compared with."""
    teacher = now.variants[now.reference]["model"]
    peer = f"{teacher}-{now.variants[name]['format']}-fp32"
    one, two = (
        ratio(results, name, peer, confidence=budgets.confidence, noise=budgets.latency_noise)
        for results in (then, now)
    )
    if name == peer or (one.found is None and two.found is None):
        return
    if one.found is None or two.found is None:
        why = f"this revision: {two.note}" if two.found is None else f"the other revision: {one.note}"
        yield _not_compared(name, "latency", one.found, two.found, why)
        return
    if one.found == two.found:
        yield Change(name, "latency", one.found, two.found, 0.0, None, None, "same", f"of {peer}")
        return
    machines = [results.machines.get(name) for results in (then, now)]
    if None not in machines and machines[0] != machines[1]:
        why = f"timed on {machines[1]}, in the other revision on {machines[0]}"
        yield _not_compared(name, "latency", one.found, two.found, why)
        return
    yield _slower(name, one, two, peer, budgets)


def _slower(name: str, before: Ratio, now: Ratio, peer: str, budgets: Budgets) -> Change:
    """Growth of the ratio; slower is held against what is tolerated, faster against no change."""
    assert before.found is not None
    assert now.found is not None
    quotient = Ratio(now.found / before.found, math.hypot(before.error, now.error), "")
    by = now.found / before.found - 1
    low, high = quotient.interval(budgets.confidence) or (0.0, math.inf)
    judgement = _judgement(by, budgets.tolerated.latency)
    held = 1 + budgets.tolerated.latency if judgement == "worse" else 1.0
    logs = [math.log(end) if end > 0 else -math.inf for end in (low, high)]
    p = p_from_interval(math.log(1 + by), (logs[0], logs[1]), math.log(held), budgets.confidence)
    limit = _limit(judgement, budgets.tolerated.latency)
    note = "; ".join(dict.fromkeys(filter(None, [f"of {peer}", limit, now.note, before.note])))
    return Change(name, "latency", before.found, now.found, by, (low - 1, high - 1), p, judgement, note)
