"""What a person wants to know of a build at a glance: which variant is best, and what changed.

Best has two answers, because a phone and a doorbell want different things: the
*smallest* file and the *fastest* one. Candidates are the exported variants that are
as accurate as the test set can tell: not below the 95% interval of the reference's
accuracy. What was not timed here is no candidate for the fastest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgebuild.track.lock import Entry

__all__ = ["Changes", "Highlights", "changes", "highlights"]

Variants = Sequence[Mapping[str, Any]]
Timings = Mapping[str, Mapping[str, Any]]
_NAMED = 3  # changes named in full where space is short


@dataclass(frozen=True)
class Highlights:
    """Ids of the best variants; None where there is no candidate."""

    smallest: str | None
    fastest: str | None

    def named(self) -> dict[str, str]:
        """``smallest`` and ``fastest`` → id, as far as there are any."""
        return {name: identity for name, identity in vars(self).items() if identity is not None}


@dataclass(frozen=True)
class Changes:
    """What differs between two builds.

    Attributes:
        params: dotted key → (before, after) as text; None on the side that lacks it.
        files: inputs that no stage makes (code, data, requirements) whose content differs.
        added: variants that only the later build has.
        removed: variants that only the earlier build has.
    """

    params: Mapping[str, tuple[str | None, str | None]]
    files: Sequence[str]
    added: Sequence[str]
    removed: Sequence[str]

    def lines(self) -> list[str]:
        """Each change in a few words, params first."""
        return [
            *(f"{key} {before} → {after}" for key, (before, after) in self.params.items()),
            *(f"+ {name}" for name in self.added),
            *(f"− {name}" for name in self.removed),
            *(f"{path} edited" for path in self.files),
        ]

    def short(self) -> str:
        """For the name of a run, whose column is narrow."""
        words = [
            *(f"{key}={after}" for key, (_, after) in self.params.items()),
            *(f"+{name}" for name in self.added),
            *(f"−{name}" for name in self.removed),
            *(f"{path.rpartition('/')[2]} edited" for path in self.files),
        ]
        if not words:
            return "measured again"
        return words[0] + (f" and {len(words) - 1} more" if len(words) > 1 else "")

    def sentence(self) -> str:
        """For one cell of a table."""
        lines = self.lines()
        more = [f"{len(lines) - _NAMED} more"] if len(lines) > _NAMED else []
        return ", ".join([*lines[:_NAMED], *more]) or "nothing but what was measured again"


def highlights(variants: Variants, timings: Timings, reference: str) -> Highlights:
    """The smallest and the fastest exported variant that is as accurate as the ``reference``."""
    base = next((variant for variant in variants if variant["id"] == reference), None)
    if base is None:
        return Highlights(None, None)
    floor = base["accuracy_ci95"][0]
    good = [entry for entry in variants if entry["format"] != "keras" and entry["accuracy"] >= floor]
    timed = {
        entry["id"]: latency["p50"]
        for entry in good
        if (latency := timings.get(entry["id"], {}).get("latency_us")) is not None
    }
    # ties by id, so that the answer does not depend on the order in a file
    smallest = min(good, key=lambda entry: (entry["size_bytes"], entry["id"]), default=None)
    fastest = min(timed, key=lambda identity: (timed[identity], identity), default=None)
    return Highlights(None if smallest is None else smallest["id"], fastest)


def changes(
    before: tuple[Mapping[str, str], Mapping[str, Entry]],
    after: tuple[Mapping[str, str], Mapping[str, Entry]],
    variants_before: Sequence[str],
    variants_after: Sequence[str],
) -> Changes:
    """What changed between two builds, each given as its flat params (as text) and its entries of dvc.lock.

    ``params.yaml`` names each variant too; those lines are told as variants, not as params.
    """
    old, new = (
        {key: value for key, value in params.items() if not key.startswith("variants.")}
        for params, _ in (before, after)
    )
    keys = [key for key in [*new, *(key for key in old if key not in new)] if old.get(key) != new.get(key)]
    was, now = _inputs(before[1]), _inputs(after[1])
    return Changes(
        params={key: (old.get(key), new.get(key)) for key in keys},
        files=sorted(path for path, digest in now.items() if was.get(path) != digest),
        added=[name for name in variants_after if name not in variants_before],
        removed=[name for name in variants_before if name not in variants_after],
    )


def _inputs(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Deps that no stage makes, path → md5."""
    made = {path for entry in entries.values() for path in entry.outs}
    return {
        path: digest
        for entry in entries.values()
        for path, digest in entry.deps.items()
        if not any(path == out or out.startswith(f"{path}/") for out in made)
    }
