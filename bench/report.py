"""The comparison as tables: files by network and format, ours against each rival, the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.rows import Pair, Row, Spread
from bench.targets import Target
from edgebuild.measure.table import Table

__all__ = ["files", "pairs", "targets", "verdict"]

FORMATS = {"litert": "LiteRT", "onnx": "ONNX", "coreml": "Core ML"}
NONE = "–"


def files(network: str, rows: Sequence[Row], about: Mapping[str, Any]) -> Table:
    """One row per file of ``network``."""
    columns = (
        "file", "tool", "accuracy % (95% CI)", "drop", "as float %", "bytes", "gzip", "p50 µs (IQR)", "made in s",
    )  # fmt: skip
    rounds = max((row.p50_us.rounds for row in rows if row.p50_us), default=0)
    notes = [
        f"{network}: {about['parameters']:,} parameters, {about['macs'] or 0:,} MACs, float accuracy "
        f"{100 * about['float_accuracy']:.2f}% on {about['images']:,} images. p50: median and quartiles of the "
        f"medians of {rounds} rounds, one thread. drop: points against float. as float: same class as the Keras model.",
        *dict.fromkeys(
            f"{FORMATS[row.format]}: judged on the first {row.judgement.images:,} images."
            for row in rows
            if row.judgement and row.judgement.images != about["images"]
        ),
        *dict.fromkeys(
            f"{FORMATS[row.format]}: not timed, {row.not_timed}." for row in rows if row.not_timed
        ),
        *(f"{row.id}: {row.error}" for row in rows if row.error),
    ]
    ordered = sorted(rows, key=lambda row: list(FORMATS).index(row.format))
    return Table(columns, tuple(_file(row) for row in ordered), tuple(notes))


def pairs(compared: Sequence[Pair]) -> Table:
    """Ours divided by the rival's."""
    columns = ("ours / rival", "network", "bytes", "gzip", "p50 (IQR)", "accuracy gain, points (95% CI)")
    rows = tuple(
        (
            f"{pair.ours} / {pair.rival}",
            pair.network,
            _ratio(pair.bytes),
            _ratio(pair.gzip_bytes),
            NONE if pair.p50 is None else _spread(pair.p50),
            _gain(pair),
        )
        for pair in compared
    )
    return Table(
        columns, rows, ("Below 1 is smaller or faster. Accuracies are compared on the same images.",)
    )


def targets(found: Sequence[Target]) -> Table:
    said = {True: "met", False: "MISSED", None: "not measured"}
    rows = tuple((item.name, item.network, item.required, item.found, said[item.met]) for item in found)
    return Table(("target", "network", "required", "found", ""), rows, (verdict(found),))


def verdict(found: Sequence[Target]) -> str:
    met, missed = (sum(item.met is state for item in found) for state in (True, False))
    return f"{met} of {len(found)} targets met, {missed} missed, {len(found) - met - missed} not measured."


def _file(row: Row) -> tuple[str, ...]:
    seen = row.judgement
    if seen is None:
        judged = ("failed" if row.error else NONE, NONE, NONE)
    else:
        low, high = seen.accuracy_ci95
        judged = (
            f"{100 * seen.accuracy:.2f} ({100 * low:.1f}–{100 * high:.1f})",
            f"{100 * seen.accuracy_drop:z.2f}".replace("-", "−"),
            f"{int(10_000 * seen.agreement_with_float + 1e-6) / 100:.2f}",
        )
    return (
        row.id,
        row.tool if row.is_ours else f"{row.tool} {row.precision}",
        *judged,
        NONE if row.size_bytes is None else f"{row.size_bytes:,}",
        NONE if row.gzip_bytes is None else f"{row.gzip_bytes:,}",
        NONE if row.p50_us is None else _spread(row.p50_us),
        NONE if row.convert_s is None else f"{row.convert_s:.2f}",
    )


def _gain(pair: Pair) -> str:
    if pair.accuracy_gain is None or pair.accuracy_gain_ci95 is None:
        return NONE
    low, high = pair.accuracy_gain_ci95
    text = f"{100 * pair.accuracy_gain:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
    return text.replace("-", "−")


def _ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _spread(value: Spread) -> str:
    digits = 0 if value.median >= 100 else 1 if value.median >= 10 else 2
    return f"{value.median:,.{digits}f} ({value.q25:,.{digits}f}–{value.q75:,.{digits}f})"
