"""The description of a build's run, in Markdown: what changed, which variant is best, the table of variants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgebuild.track.highlights import Changes, Highlights
from edgebuild.track.state import BuildState

__all__ = ["build_note", "failure_note"]

#: MLflow cuts nothing: it refuses a tag of more than 8000 characters.
LIMIT = 7900
_ROWS = 40
_CHANGES = 20


def build_note(
    state: BuildState,
    best: Highlights,
    changed: Changes | None,
    previous: tuple[str, str] | None,
    before: Mapping[str, float],
    counts: tuple[int, int],
) -> str:
    """The text for ``state``.

    ``previous`` is name and address of the build compared with, ``changed`` what
    differs from it and ``before`` its metrics (``<variant>/accuracy``); ``counts``
    are the stages executed and those that came from a cache.
    """
    head = []
    if previous is not None and changed is not None:
        name, address = previous
        head += [f"### Changed since [{name}]({address})", ""]
        lines = changed.lines()
        head += [f"- `{line}`" for line in lines[:_CHANGES]]
        head += [f"- and {len(lines) - _CHANGES} more"] if len(lines) > _CHANGES else []
        head += [] if lines else ["Nothing but what was measured again."]
        head.append("")
    head += ["### Variants", ""]
    for word, identity in best.named().items():
        head += [f"**{word.capitalize()}** as accurate as {state.reference}: **{identity}**  "]
    executed, cached = counts
    foot = f"{executed} stages executed, {cached} from a cache. Build `{state.key}`."
    title = [
        "",
        "| variant | accuracy % | points | KiB | % | p50 µs | % |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    rows: list[str] = []
    for variant in state.variants[:_ROWS]:
        row = _row(variant, state.latency.get(variant["id"], {}), before, best)
        if sum(map(len, [*head, *title, *rows, row, foot])) + 200 > LIMIT:
            break
        rows.append(row)
    left = len(state.variants) - len(rows)
    tail = ["", f"{left} more variants are in metrics/summary.json." if left else "", foot]
    explained = "The columns points and % compare with that build." if before else ""
    return "\n".join([*head, *title, *rows, *tail, explained])


def _row(
    variant: Mapping[str, Any], timing: Mapping[str, Any], before: Mapping[str, float], best: Highlights
) -> str:
    identity, size = variant["id"], variant["size_bytes"]
    p50 = (timing.get("latency_us") or {}).get("p50")
    name = f"**{identity}**" if identity in best.named().values() else identity
    cells = [
        name,
        f"{100 * variant['accuracy']:.2f}",
        _points(variant["accuracy"], before.get(f"{identity}/accuracy")),
        f"{size / 1024:.1f}",
        _percent(size, before.get(f"{identity}/size_bytes")),
        "not run" if p50 is None else f"{p50:.3g}",
        _percent(p50, before.get(f"{identity}/latency_p50_us")),
    ]
    return f"| {' | '.join(cells)} |"


def _points(now: float, before: float | None) -> str:
    return "" if before is None or round(now - before, 6) == 0 else f"{100 * (now - before):+.2f}"


def _percent(now: float | None, before: float | None) -> str:
    return "" if now is None or not before or now == before else f"{100 * (now / before - 1):+.1f}"


def failure_note(message: str, log: str, lines: int = 40) -> str:
    """Why a stage has no result, and the last ``lines`` of its console output."""
    shown = "\n".join(log.splitlines()[-lines:])[-6000:].replace("```", "'''")
    text = f"**{message[:1000]}**"
    return f"{text}\n\n```\n{shown}\n```" if shown else text
