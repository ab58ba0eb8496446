"""The page's words: which variant is best for what, as the figures say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebuild.measure.figure import NAMES, capital
from edgebuild.report.evidence import Evidence
from edgebuild.report.numbers import kib, microseconds, number, percent, times
from edgebuild.report.paired import SIGNIFICANT, Difference, Paired, difference

__all__ = ["Choice", "Pick", "choices", "verdict"]

#: format → where it runs.
PLACES: Mapping[str, str] = {
    "litert": "Android, iOS, embedded Linux",
    "onnx": "Windows, Linux, browsers, servers",
    "coreml": "iPhone, iPad, Mac",
}

#: Times that are this close are called equal: a benchmark repeated differs by as much.
CLOSE = 0.05


@dataclass(frozen=True)
class Pick:
    """A file to take, what it is best at, and its figures in words."""

    id: str
    title: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """One runtime, where it is used, and one or two files for it."""

    runtime: str
    place: str
    picks: tuple[Pick, ...]


def choices(evidence: Evidence) -> list[Choice]:
    """For each runtime the smallest and the fastest of the files whose accuracy drop is tolerated.

    Where a runtime has no such file, its most accurate is named, with a title that says so.
    """
    found = []
    for kind, place in PLACES.items():
        names = [name for name, entry in evidence.variants.items() if entry["format"] == kind]
        good = [name for name in names if _drop(evidence, name) <= evidence.cost.tolerated_drop]
        if names:
            picks = _best(evidence, good) if good else (_most_accurate(evidence, names),)
            found.append(Choice(NAMES[kind], place, picks))
    return found


def verdict(reference: str, quality: str, paired: Paired | Difference, examples: int) -> str:
    """Whether a difference in quality is proven, in one sentence."""
    chance = "p < 0.001" if paired.p < 0.001 else f"p = {paired.p:.2g}"
    found = f"No difference in {quality} is proven"
    if isinstance(paired, Difference):
        if paired.lost == 0:
            return f"Its {quality} is that of {reference}."
        if paired.p < SIGNIFICANT:
            found = f"Its {quality} is proven to be {'lower' if paired.worse else 'higher'}"
        points = f"{number(100 * abs(paired.lost), 3)} points {'below' if paired.lost > 0 else 'above'} {reference}"
        return f"{found}: {points} on {examples:,} test examples ({paired.test}, {chance})."
    if paired.lost + paired.gained == 0:
        return f"It is right on exactly the same of {examples:,} test examples as {reference}."
    lost = f"it loses {paired.lost:,} that {reference} gets right"
    counts = f"of {examples:,} test examples {lost}, and gains {paired.gained:,}"
    if paired.p < SIGNIFICANT:
        found = f"{capital(quality)} is {'lower' if paired.worse else 'higher'}"
    return f"{found}: {counts} (McNemar’s test, {chance})."


def _most_accurate(evidence: Evidence, names: Sequence[str]) -> Pick:
    best = max(names, key=lambda name: (evidence.variants[name]["accuracy"], -_size(evidence, name)))
    return _pick(evidence, best, "best; none loses as little as is tolerated")


def _best(evidence: Evidence, good: Sequence[str]) -> tuple[Pick, ...]:
    smallest = min(good, key=lambda name: (_size(evidence, name), name))
    timed = {name: p50 for name in good if (p50 := evidence.p50_us(name)) is not None}
    if not timed:
        return (_pick(evidence, smallest, "smallest"),)
    least = min(timed.values())
    close = [name for name, p50 in timed.items() if p50 <= least * (1 + CLOSE)]
    fastest = min(close, key=lambda name: (_size(evidence, name), name))
    if fastest == smallest:
        return (_pick(evidence, smallest, "smallest and fastest"),)
    return (_pick(evidence, smallest, "smallest"), _pick(evidence, fastest, "fastest"))


def _pick(evidence: Evidence, name: str, title: str) -> Pick:
    entry, peer, p50 = evidence.variants[name], evidence.peer(name), evidence.p50_us(name)
    size = kib(entry["size_bytes"])
    speed = "not timed here" if p50 is None else microseconds(p50)
    if peer is not None and peer["id"] != name:
        size += f", {times(peer['size_bytes'], entry['size_bytes'])} × smaller than the teacher"
        before = evidence.p50_us(peer["id"])
        if p50 is not None and before is not None:
            speed += f", {times(before, p50)} × faster"
    return Pick(name, title, (_accuracy(evidence, name), size, speed))


def _accuracy(evidence: Evidence, name: str) -> str:
    """The accuracy, and whether its difference to the reference is proven."""
    reference, drop = evidence.reference, _drop(evidence, name)
    quality = evidence.task.quality
    what = "right" if quality == "accuracy" else quality
    said = f"{percent(evidence.variants[name]['accuracy'])} {what}"
    if drop == 0:
        return f"{said}, as {reference}"
    one, other = evidence.logits[reference], evidence.logits[name]
    proven = difference(evidence.task, one, other, evidence.test.labels).p < SIGNIFICANT
    way = "less" if drop > 0 else "more"
    return f"{said}, {number(100 * abs(drop), 3)} points {way} ({'proven' if proven else 'not proven'})"


def _drop(evidence: Evidence, name: str) -> float:
    return float(evidence.variants[name]["accuracy_drop"])


def _size(evidence: Evidence, name: str) -> int:
    return int(evidence.variants[name]["size_bytes"])
