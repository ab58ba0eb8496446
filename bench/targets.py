"""The targets of the comparison, each with what was found: met, missed, or not measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.networks import ALLOWED_LOSS
from bench.peers import peer
from bench.rows import Pair, Row

__all__ = ["Agreement", "Target", "agree", "check"]

#: ONNX Runtime's int8 latency against its fp32, where there is enough arithmetic to save.
ORT_INT8_TO_FP32 = 0.4
#: ... and against that of quantize_static's file.
ORT_INT8_TO_VENDOR = 0.5
#: Bytes of an int8 file for each parameter of a network that is large enough for names not to matter.
BYTES_PER_PARAMETER = 1.25
LARGE = "resnet"
EQUAL_OUTPUTS = 0.999


@dataclass(frozen=True)
class Target:
    """``met`` is None where what it needs was not measured; ``found`` then says what is missing."""

    network: str
    name: str
    required: str
    found: str
    met: bool | None


@dataclass(frozen=True)
class Agreement:
    """Two executions of one integer grid: shares of equal labels and outputs, the largest step between them."""

    one: str
    other: str
    images: int
    labels: float
    outputs: float
    steps: int


def agree(
    one: str,
    other: str,
    logits: npt.NDArray[np.float32],
    others: npt.NDArray[np.float32],
    step: float,
) -> Agreement:
    """Compare logits, float32 ``(n, classes)``, of which each is a multiple of ``step``; the shorter counts."""
    count = min(len(logits), len(others))
    apart = np.abs(np.rint((logits[:count] - others[:count]) / step))
    same = logits[:count].argmax(axis=1) == others[:count].argmax(axis=1)
    return Agreement(one, other, count, float(same.mean()), float((apart == 0).mean()), int(apart.max()))


def check(
    network: str,
    rows: Sequence[Row],
    pairs: Sequence[Pair],
    agreements: Sequence[Agreement],
    speedup: Pair | None,
    parameters: int,
) -> list[Target]:
    """All targets of one network; ``speedup`` is our int8 ONNX file against our fp32 one."""
    by_id = {row.id: row for row in rows}
    return [
        *_losses(network, by_id),
        *_not_below(network, pairs),
        *_latencies(network, pairs, speedup),
        *_bytes(network, by_id, pairs, parameters),
        *_agreements(network, agreements),
    ]


def _losses(network: str, rows: Mapping[str, Row]) -> Iterator[Target]:
    limit = ALLOWED_LOSS[network]
    for row in rows.values():
        if row.is_ours and row.precision == "int8":
            drop = row.judgement.accuracy_drop if row.judgement else None
            found = "not measured" if drop is None else f"{100 * drop:+.2f} points"
            met = None if drop is None else drop <= limit + 1e-9
            yield Target(network, f"{row.id}: accuracy lost", f"≤ {100 * limit:.1f} points", found, met)


def _not_below(network: str, pairs: Sequence[Pair]) -> Iterator[Target]:
    for pair in pairs:
        if not peer(pair.rival).default:
            continue
        found, met = "not measured", None
        if pair.accuracy_gain is not None and pair.accuracy_gain_ci95 is not None:
            low, high = (100 * end for end in pair.accuracy_gain_ci95)
            found, met = f"{100 * pair.accuracy_gain:+.2f} ({low:+.2f} to {high:+.2f}) points", high >= 0
        yield Target(network, f"{pair.ours}: accuracy against {pair.rival}", "not below, at 95%", found, met)


def _latencies(network: str, pairs: Sequence[Pair], speedup: Pair | None) -> Iterator[Target]:
    for pair in pairs:
        if pair.rival in ("tflite-int8", "tflite-int8-float"):
            yield _latency(network, pair, f"{pair.ours}: p50 against {pair.rival}", 1.0)
        if pair.rival == "ort-int8" and network == LARGE:
            yield _latency(network, pair, f"{pair.ours}: p50 against {pair.rival}", ORT_INT8_TO_VENDOR)
    if network == LARGE and speedup is not None:
        yield _latency(network, speedup, f"{speedup.ours}: p50 against {speedup.rival}", ORT_INT8_TO_FP32)


def _latency(network: str, pair: Pair, name: str, limit: float) -> Target:
    """Met unless more than three quarters of the rounds were above the limit: noise is no finding."""
    if pair.p50 is None:
        return Target(network, name, f"≤ {limit:g}", "not measured", None)
    found = f"{pair.p50.median:.2f} ({pair.p50.q25:.2f} to {pair.p50.q75:.2f})"
    return Target(network, name, f"≤ {limit:g}", found, pair.p50.q25 <= limit)


def _bytes(network: str, rows: Mapping[str, Row], pairs: Sequence[Pair], parameters: int) -> Iterator[Target]:
    for pair in pairs:
        found = "not measured" if pair.bytes is None else f"{pair.bytes:.2f}"
        met = None if pair.bytes is None else pair.bytes <= 1
        yield Target(network, f"{pair.ours}: bytes against {pair.rival}", "≤ 1", found, met)
    if network != LARGE:
        return
    for row in rows.values():
        if row.is_ours and row.precision == "int8":
            share = row.size_bytes / parameters if row.size_bytes else None
            found = "not measured" if share is None else f"{share:.2f}"
            met = None if share is None else share <= BYTES_PER_PARAMETER
            yield Target(network, f"{row.id}: bytes per parameter", f"≤ {BYTES_PER_PARAMETER:g}", found, met)


def _agreements(network: str, agreements: Sequence[Agreement]) -> Iterator[Target]:
    required = f"labels 100%, outputs ≥ {EQUAL_OUTPUTS:.1%}, ≤ 1 step"
    for pair in agreements:
        found = f"labels {pair.labels:.3%}, outputs {pair.outputs:.3%}, {pair.steps} steps, {pair.images:,} images"
        met = pair.labels == 1 and pair.outputs >= EQUAL_OUTPUTS and pair.steps <= 1
        yield Target(network, f"int8 {pair.one} and {pair.other}", required, found, met)
    expected = {("litert", "onnx"), ("litert", "reference"), ("onnx", "reference")}
    for one, other in sorted(expected - {(pair.one, pair.other) for pair in agreements}):
        yield Target(network, f"int8 {one} and {other}", required, "not measured", None)
