"""The page: every section's facts, put into the template, with everything escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from edgebuild.measure.figure import MARKERS, NAMES, capital
from edgebuild.measure.pareto import points
from edgebuild.measure.table import table
from edgebuild.report import numbers
from edgebuild.report.advice import Choice, choices, verdict
from edgebuild.report.cost import Comparison, Measured, compare, words
from edgebuild.report.evidence import Evidence
from edgebuild.report.judged import judged
from edgebuild.report.network import network
from edgebuild.report.paired import Paired, difference, provable
from edgebuild.report.pictures import mean_bytes
from edgebuild.report.svg import element
from edgebuild.report.trade_off import marker, trade_off

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["page"]

#: The page, and what each task puts into it.
TEMPLATES = (
    "page.html", "macros.html", "classification.html", "multilabel.html", "regression.html", "anomaly.html",
    "mistakes.html", "others.html",
)  # fmt: skip


#: How the interval of each task's quality is found.
INTERVALS = {
    "classification": "Wilson’s score interval of the accuracy.",
    "multilabel": "Wilson’s score interval with the effective number of decisions: those on one example go together.",
    "regression": "Wilson’s score interval of the share of examples within tolerance.",
    "anomaly": "Newcombe’s interval of an AUC (2006, method 5).",
}


@dataclass(frozen=True)
class Tile:
    """One figure that matters: before and after."""

    title: str
    before: str
    after: str
    gain: str


@dataclass(frozen=True)
class Key:
    """A mark of the trade-off's pictures and what it means."""

    picture: Markup
    name: str


def page(evidence: Evidence) -> str:
    """The whole document: one file, no network, and the same bytes for the same evidence."""
    environment = _environment()
    script, style = (_resource(name) for name in ("page.js", "page.css"))
    text: str = environment.get_template("page.html").render(
        _context(evidence),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    )
    return text


def _context(evidence: Evidence) -> dict[str, Any]:
    test, quality = evidence.test, evidence.task.quality
    rows, everything = network(evidence.graphs, evidence.sensitivity)
    recommended = choices(evidence)
    comparison = _comparison(evidence)
    one, other = (evidence.logits[name] for name in (evidence.reference, evidence.cost.edge))
    edge = difference(evidence.task, one, other, test.labels)
    shown = table(evidence.summary, evidence.latency)
    return {
        "dataset": evidence.summary["dataset"],
        "host": evidence.latency["host"],
        "reference": evidence.reference,
        "images": len(test),
        "kind": evidence.task.kind,
        "quality": quality,
        "capital_quality": capital(quality),
        "interval": INTERVALS[evidence.task.kind],
        "test_name": "McNemar’s test" if isinstance(edge, Paired) else f"a {edge.test}",
        "edge": evidence.cost.edge,
        "peer": (evidence.peer(evidence.cost.edge) or evidence.variants[evidence.reference])["id"],
        "cloud": evidence.cost.cloud,
        "tiles": _tiles(evidence, comparison),
        "verdict": verdict(evidence.reference, quality, edge, len(test)),
        "choices": recommended,
        "provable": provable() if isinstance(edge, Paired) else None,
        "tolerated": evidence.cost.tolerated_drop,
        "badges": _badges(recommended),
        "table": shown,
        "size_chart": trade_off(
            points(evidence.summary),
            cost="size, KiB",
            unit=lambda kib: numbers.kib(kib * 1024),
            quality=quality,
        ),
        "time_chart": _time_chart(evidence),
        "keys": _keys(evidence),
        **judged(evidence),
        "layers": rows,
        "all_layers": everything,
        "precisions": tuple(evidence.graphs),
        "integer": evidence.integer,
        "comparison": comparison,
        "cost_words": words(comparison),
        "assumptions": [(field.name, getattr(evidence.cost, field.name)) for field in fields(evidence.cost)],
    }


def _comparison(evidence: Evidence) -> Comparison:
    cloud, edge = (
        Measured(name, evidence.p50_us(name), evidence.variants[name]["gzip_bytes"])
        for name in (evidence.cost.cloud, evidence.cost.edge)
    )
    return compare(evidence.cost, cloud, edge, mean_bytes(evidence.test))


def _tiles(evidence: Evidence, comparison: Comparison) -> list[Tile]:
    """Teacher against the device's file in accuracy, size and time, and server against device in money."""
    edge = evidence.variants[evidence.cost.edge]
    reference = evidence.variants[evidence.reference]
    peer = evidence.peer(edge["id"]) or reference
    drop = edge["accuracy_drop"]
    tiles = [
        Tile(
            capital(evidence.task.quality),
            numbers.percent(reference["accuracy"]),
            numbers.percent(edge["accuracy"]),
            "the same"
            if drop == 0
            else f"{numbers.number(100 * abs(drop), 3)} points {'less' if drop > 0 else 'more'}",
        ),
        Tile(
            "Size",
            numbers.kib(peer["size_bytes"]),
            numbers.kib(edge["size_bytes"]),
            f"{numbers.times(peer['size_bytes'], edge['size_bytes'])} × smaller",
        ),
    ]
    before, after = evidence.p50_us(peer["id"]), evidence.p50_us(edge["id"])
    if before is not None and after is not None:
        gain = f"{numbers.times(before, after)} × faster"
        tiles.append(Tile("Time", numbers.microseconds(before), numbers.microseconds(after), gain))
    saved = comparison.saved_usd
    tiles.append(
        Tile(
            "Cost per month, as assumed",
            comparison.cloud_usd.shown,
            comparison.edge_usd.shown,
            f"{numbers.usd(abs(saved))} {'less' if saved >= 0 else 'more'}",
        )
    )
    return tiles


def _time_chart(evidence: Evidence) -> Markup | None:
    timed = points(evidence.summary, evidence.latency)
    if not timed:
        return None
    quality = evidence.task.quality
    return trade_off(timed, cost="median latency, µs", unit=numbers.microseconds, quality=quality)


def _keys(evidence: Evidence) -> list[Key]:
    """The formats as colours and the precisions as shapes, of what the build has."""
    entries = evidence.variants.values()
    formats, precisions = ({entry[name] for entry in entries} for name in ("format", "precision"))
    colours = [(name, "fp32", NAMES[name]) for name in NAMES if name in formats]
    shapes = [("any", name, name) for name in MARKERS if name in precisions]
    return [
        Key(
            element("svg", marker(9, 9, kind, shape), viewBox="0 0 18 18", aria_hidden="true", class_="key"),
            name,
        )
        for kind, shape, name in (*colours, *shapes)
    ]


def _badges(recommended: Sequence[Choice]) -> dict[str, str]:
    return {pick.id: pick.title for choice in recommended for pick in choice.picks}


def _environment() -> Environment:
    """Jinja with everything escaped that is not markup by type, and no name silently empty."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    environment = Environment(
        loader=DictLoader({name: _resource(name) for name in TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        name: getattr(numbers, name) for name in ("kib", "number", "percent", "microseconds", "usd")
    }
    return environment


def _resource(name: str) -> str:
    return (files("edgebuild.report") / "template" / name).read_text(encoding="utf-8")
