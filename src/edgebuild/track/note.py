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
    pages: Mapping[str, str],
) -> str:
    """The text for ``state``.

    The UI folds it after three lines, so these have the answers. ``previous`` is name and address of the
    build compared with, ``changed`` what differs from it and ``before`` its metrics
    (``<variant>/accuracy``); ``counts`` are the stages executed and those that came from a cache; ``pages`` the
    addresses of variants and stages, by name, and of the table of "all builds".
    """
    head = [*_answers(state, best, changed, previous, pages["all builds"]), ""]
    lines = changed.lines() if changed is not None else []
    if len(lines) > 1:
        head += ["### Changed", "", *(f"- `{line}`" for line in lines[:_CHANGES])]
        head += [f"- and {len(lines) - _CHANGES} more"] if len(lines) > _CHANGES else []
        head += ["", "### Variants", ""]
    executed, cached = counts
    stages = [
        f"[{name}]({page})" for name, page in pages.items() if name in state.entries and "@" not in name
    ]
    foot = f"{executed} stages executed, {cached} from a cache: {', '.join(stages)}. Build `{state.key}`."
    title = [
        "| variant | accuracy % | points | KiB | % | p50 µs | % |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    rows: list[str] = []
    for variant in state.variants[:_ROWS]:
        row = _row(variant, state.latency.get(variant["id"], {}), before, best, pages)
        if sum(len(line) + 1 for line in [*head, *title, *rows, row, foot]) + 200 > LIMIT:
            break
        rows.append(row)
    left = len(state.variants) - len(rows)
    tail = ["", f"{left} more variants are in metrics/summary.json." if left else "", foot]
    explained = "The columns points and % compare with the build before." if before else ""
    return "\n".join([*head, *title, *rows, *tail, explained])


def _answers(
    state: BuildState, best: Highlights, changed: Changes | None, previous: tuple[str, str] | None, table: str
) -> list[str]:
    """What changed, which variant is the smallest and which the fastest: a line each, ended by two spaces."""
    lines = []
    if previous is not None and changed is not None:
        name, address = previous
        lines.append(f"Since [{name}]({address}): **{changed.sentence()}** ([all builds]({table}))")
    for word, identity in best.named().items():
        variant = next(entry for entry in state.variants if entry["id"] == identity)
        p50 = (state.latency.get(identity, {}).get("latency_us") or {}).get("p50")
        figures = [
            f"{variant['size_bytes'] / 1024:.1f} KiB",
            *([] if p50 is None else [f"{p50:.3g} µs"]),
            f"{100 * variant['accuracy']:.2f}%",
        ]
        lines.append(
            f"{word.capitalize()} as accurate as {state.reference}: **{identity}**, {', '.join(figures)}"
        )
    return [f"{line}  " for line in lines]


def _row(
    variant: Mapping[str, Any],
    timing: Mapping[str, Any],
    before: Mapping[str, float],
    best: Highlights,
    pages: Mapping[str, str],
) -> str:
    identity, size = variant["id"], variant["size_bytes"]
    p50 = (timing.get("latency_us") or {}).get("p50")
    name = f"[{identity}]({pages[identity]})" if identity in pages else identity
    name = f"**{name}**" if identity in best.named().values() else name
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
