"""Section ``budgets`` of params.yaml: what ``edgebuild check`` holds a build against.

It is the one section that may be left out, and so may every key in it but
``limits``: a limit that nobody states is not judged.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Annotated

from edgebuild.errors import UsageError
from edgebuild.strict import Range
from edgebuild.variant import Variant

__all__ = ["DEFAULT", "Budgets", "LatencyLimit", "Limits", "Tolerated"]

Share = Annotated[float, Range(0.0, 1.0)]
Bytes = Annotated[int, Range(1, 10**15)]

#: The key of ``limits`` that means every variant.
DEFAULT = "default"


@dataclass(frozen=True)
class LatencyLimit:
    """A median latency as a multiple of another variant's, which the same build measured."""

    ratio: Annotated[float, Range(0.0, 1e6, open_low=True)]  #: at most
    of: str  #: the other variant's id; {model}, {format} and {precision} are those of this one

    def reference(self, name: str) -> str:
        """The id that variant ``name`` is compared with.

        Raises:
            UsageError: ``of`` has other placeholders, or loose braces.
        """
        own, found = Variant.parse(name), self.of
        for part in ("model", "format", "precision"):
            found = found.replace(f"{{{part}}}", getattr(own, part))
        if set(found) & set("{}"):
            raise UsageError(
                f"{self.of!r} is no name; in braces only {{model}}, {{format}} and {{precision}} are known"
            )
        return found


@dataclass(frozen=True)
class Limits:
    """What one variant must keep; None is not judged."""

    accuracy: Share | None = None  #: at least, share of the test images
    drop: Annotated[float, Range(0.0, 100.0)] | None = None  #: at most, points of accuracy below the teacher
    agreement: Share | None = None  #: at least, share of test images labelled as the teacher labels them
    parity_labels: Share | None = None  #: at least, share of labels equal to those of the variant's own graph
    parity_logits: Share | None = None  #: at least, the same of logits; integer files only
    bytes: Bytes | None = None  #: at most, of the file
    gzip_bytes: Bytes | None = None  #: at most, of the file after gzip -9
    latency: LatencyLimit | None = None
    memory_bytes: Bytes | None = None  #: at most, peak of the whole process

    def stated(self) -> dict[str, float | LatencyLimit]:
        """The limits that are judged, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Tolerated:
    """By how much a figure may get worse against another revision."""

    drop: Annotated[float, Range(0.0, 100.0)] = 0.0  #: points of accuracy
    bytes: Annotated[float, Range(0.0, 100.0)] = 0.0  #: share of the former size
    latency: Annotated[float, Range(0.0, 100.0)] = (
        0.0  #: share of the former ratio to the teacher in the same format
    )


@dataclass(frozen=True)
class Budgets:
    """Limits by variant, and how surely they have to be broken."""

    limits: Mapping[str, Limits]  #: by variant id, pattern (``*-int8``) or ``default``
    confidence: Annotated[float, Range(0.5, 1.0, open_low=True, open_high=True)] = 0.95
    strict: bool = False  #: does what is not proven fail, too?
    #: relative standard deviation of a median latency from one process to the next on one machine
    latency_noise: Annotated[float, Range(0.0, 1.0)] = 0.05
    tolerated: Tolerated = Tolerated()

    def of(self, name: str) -> Limits:
        """The limits of variant ``name``: ``default``, then patterns in their order, then its own; the later wins."""
        merged = Limits()
        for key in self._keys(name):
            merged = replace(merged, **self.limits[key].stated())  # type: ignore[arg-type]
        return merged

    def problems(self, known: Sequence[str]) -> list[str]:
        """What is wrong with them where ``known`` are the variants that are built; a line each."""
        found = []
        for key, limits in self.limits.items():
            where = f"budgets.limits.{key}"
            if not limits.stated():
                names = ", ".join(field.name for field in fields(Limits))
                found.append(f"{where}: it states no limit; known are {names}")
            if not any(_matches(key, name) for name in known):
                near = difflib.get_close_matches(key, [*known, DEFAULT], n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                found.append(f"{where}: no variant is called so; there are {', '.join(known)}{hint}")
            found += [f"{where}.{line}" for line in _impossible(key, limits, known, self.strict)]
        return found

    def _keys(self, name: str) -> Iterator[str]:
        for wanted in (
            lambda key: key == DEFAULT,
            lambda key: key not in (DEFAULT, name) and fnmatchcase(name, key),
            lambda key: key == name,
        ):
            yield from filter(wanted, self.limits)


def _matches(key: str, name: str) -> bool:
    return key == DEFAULT or fnmatchcase(name, key)


def _impossible(key: str, limits: Limits, known: Sequence[str], strict: bool) -> Iterator[str]:
    if strict:
        for what in ("accuracy", "agreement"):
            if getattr(limits, what) == 1.0:
                yield f"{what}: 1.0 can be proven by no finite test set, and with strict it must be; write less"
    if key in known:
        own = Variant.parse(key)
        if own.format == "keras" and (limits.parity_labels or limits.parity_logits) is not None:
            yield (
                "parity_labels, parity_logits: a Keras model is what graphs are made from and has none to be "
                "compared with; take the line out"
            )
        elif own.precision != "int8" and limits.parity_logits is not None:
            yield f"parity_logits: only int8 files have logits on a grid, and {key} is {own.precision}"
    if limits.latency is not None:
        yield from _latency(key, limits.latency, known)


def _latency(key: str, limit: LatencyLimit, known: Sequence[str]) -> Iterator[str]:
    said = set()
    for name in filter(lambda name: _matches(key, name), known):
        try:
            reference = limit.reference(name)
        except UsageError as error:
            yield f"latency.of: {error}"
            return
        if reference not in known and reference not in said:
            said.add(reference)
            near = difflib.get_close_matches(reference, known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            yield f"latency.of: {reference!r} is not built, but {name} would be compared with it{hint}"
        if key == name == reference:
            yield f"latency.of: {name} cannot be compared with itself; name another variant"
