"""What got worse against another revision, and whether that can be chance.

Accuracy is tested on the images: with McNemar's test where both revisions
answered the same ones and their answers are at hand, otherwise as two
independent samples, which sees less. Bytes are counted. Latency is compared as
the ratio to the teacher in the same format, because two revisions were timed at
different times and perhaps on different machines. The p-values of one quantity
are adjusted for the number of variants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgebuild.gates.intervals import Interval, hochberg, mcnemar, newcombe, paired_drop, pooled
from edgebuild.gates.results import Results, pair
from edgebuild.gates.speed import Ratio, ratio
from edgebuild.params.budgets import Budgets

__all__ = ["Change", "Judgement", "changes"]

Judgement = Literal["worse", "tolerated", "not significant", "same", "better", "not compared"]


@dataclass(frozen=True)
class Change:
    """One figure of one variant in two revisions.

    ``before`` and ``now`` are shares, bytes or ratios. ``by`` is positive where it
    got worse: points of accuracy lost, or relative growth of bytes or ratio;
    ``interval`` is that of ``by``, and ``p`` the adjusted two-sided p-value.
    Only "worse" stops a build.
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
    """Every variant that both revisions have: accuracy, bytes, latency; then those that only one of them has.

    ``budgets`` states confidence, noise and the growth that is tolerated; without
    them it is 0.95, 5% and none.
    """
    stated = budgets or Budgets({})
    both = [name for name in now.variants if name in then.variants]
    found = [
        *_significant([_accuracy(name, now, then, stated.confidence) for name in both], stated.confidence),
        *(_bytes(name, now, then, stated.growth.bytes) for name in both),
        *_significant([_latency(name, now, then, stated) for name in both], stated.confidence),
    ]
    order = {name: index for index, name in enumerate(both)}
    found.sort(key=lambda change: order[change.variant])
    alone = [
        (name, "this revision has it and the other has not") for name in now.variants if name not in order
    ]
    alone += [
        (name, "the other revision had it and this one has not")
        for name in then.variants
        if name not in order
    ]
    return (
        *found,
        *(Change(name, "accuracy", None, None, None, None, None, "not compared", why) for name, why in alone),
    )


def _significant(found: Sequence[Change], confidence: float) -> list[Change]:
    """The same changes, with p-values adjusted for their number and a judgement by them."""
    tested = [change for change in found if change.judgement in ("worse", "better")]
    adjusted = iter(hochberg([1.0 if change.p is None else change.p for change in tested]))
    result = []
    for change in found:
        if change in tested:
            p = next(adjusted)
            change = replace(
                change, p=p, judgement=change.judgement if p < 1 - confidence else "not significant"
            )
        result.append(change)
    return result


def _accuracy(name: str, now: Results, then: Results, confidence: float) -> Change:
    first, second = then.share(name, "accuracy"), now.share(name, "accuracy")
    before, after = first[0] / first[1], second[0] / second[1]
    one, two = then.right(name), now.right(name)
    if now.test_set == then.test_set and one is not None and two is not None:
        both = pair(one, two)
        p = mcnemar(both.lost, both.gained)
        low, high = paired_drop(both.lost, both.gained, both.total, confidence)
        same = both.lost == both.gained == 0
        note = f"loses {both.lost} and gains {both.gained} of {both.total:,} images"
    else:
        p = pooled(first, second)
        low, high = newcombe(first, second, confidence)
        same = now.test_set == then.test_set and now.variants[name]["sha256"] == then.variants[name]["sha256"]
        why = (
            "other test images" if now.test_set != then.test_set else "not all predictions are in DVC's cache"
        )
        note = f"unpaired, which sees less: {why}"
    judgement: Judgement = "same" if same else "worse" if after < before else "better"
    interval = (100 * low, 100 * high)
    return Change(name, "accuracy", before, after, 100 * (before - after), interval, p, judgement, note)


def _bytes(name: str, now: Results, then: Results, tolerated: float) -> Change:
    before, after = (results.variants[name]["size_bytes"] for results in (then, now))
    by = after / before - 1
    judgement: Judgement = (
        "same" if by == 0 else "better" if by < 0 else "tolerated" if by <= tolerated else "worse"
    )
    return Change(name, "bytes", before, after, by, None, None, judgement, _tolerance(judgement, tolerated))


def _latency(name: str, now: Results, then: Results, budgets: Budgets) -> Change:
    teacher = now.variants[now.reference]["model"]
    peer = f"{teacher}-{now.variants[name]['format']}-fp32"
    if name == peer:
        return Change(name, "latency", 1.0, 1.0, 0.0, None, None, "same", "others are compared with it")
    one, two = (
        ratio(results, name, peer, confidence=budgets.confidence, noise=budgets.latency_noise)
        for results in (then, now)
    )
    if one.found is None or two.found is None:
        why = f"this revision: {two.note}" if two.found is None else f"the other revision: {one.note}"
        return Change(name, "latency", one.found, two.found, None, None, None, "not compared", why)
    quotient = Ratio(two.found / one.found, math.hypot(one.error, two.error), f"of {peer}")
    return _slower(name, one.found, two.found, quotient, budgets)


def _slower(name: str, before: float, now: float, quotient: Ratio, budgets: Budgets) -> Change:
    by = now / before - 1
    low, high = quotient.interval(budgets.confidence) or (0.0, math.inf)
    tolerated = budgets.growth.latency
    # Slower is held against what is tolerated, faster against no change.
    limit = 1 + tolerated if by > 0 else 1.0
    distance = abs(math.log((1 + by) / limit))
    p = math.erfc(distance / quotient.error / math.sqrt(2)) if quotient.error > 0 else float(distance == 0)
    judgement: Judgement = (
        "same" if by == 0 else "better" if by < 0 else "tolerated" if by <= tolerated else "worse"
    )
    note = "; ".join(filter(None, [quotient.note, _tolerance(judgement, tolerated)]))
    return Change(name, "latency", before, now, by, (low - 1, high - 1), p, judgement, note)


def _tolerance(judgement: Judgement, tolerated: float) -> str:
    return f"up to {tolerated:.0%} more is tolerated" if judgement == "tolerated" else ""
