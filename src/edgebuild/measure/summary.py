"""The contract's metrics/summary.json and metrics/latency.json, from plain inputs.

Everything in the summary is deterministic; whatever depends on the machine is
in the latencies. Numbers are rounded so that a last bit cannot change a file:
fractions to 6 decimals, errors to 6 significant digits, microseconds and
milliseconds to 3 decimals (a nanosecond, a microsecond).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import Finding
from edgebuild.graph.count import Counts
from edgebuild.measure.accuracy import accuracy, agreement, max_abs_error, wilson
from edgebuild.measure.measurement import Measurement
from edgebuild.measure.size import FileFacts
from edgebuild.variant import Variant

__all__ = ["SCHEMA", "latency_table", "summary"]

SCHEMA = 1

Logits = npt.NDArray[np.floating]


def summary(
    variants: Sequence[Variant],
    *,
    dataset: Mapping[str, Any],
    reference: str,
    sources: Mapping[str, str],
    labels: npt.NDArray[np.integer],
    predictions: Mapping[str, Logits],
    files: Mapping[str, FileFacts],
    counts: Mapping[str, Counts],
    verdicts: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Judge every variant on the test split; variants keep their order.

    Args:
        dataset: what the file says about the data, as it is.
        reference: the id whose accuracy the others are compared with.
        sources: variant id → id of the Keras model it was exported from; variants
            that were not exported are not in it and have null comparisons.
        labels: int ``(n,)`` of the test split.
        predictions: variant id → logits of the same images, float ``(n, classes)``.
        files: variant id → facts of its file.
        counts: variant id → parameters and MACs.
        verdicts: variant id → how its answers compare with its graph's reference
            (:class:`edgebuild.measure.oracle.Verdict`); as for ``sources``.

    Raises:
        Finding: anything about a variant is missing, or its logits are not
            finite or not of the test split; the message names the variant.
    """
    known = {variant.id for variant in variants}
    if reference not in known:
        raise Finding(
            f"the reference {reference} must be among the variants, but they are {', '.join(sorted(known))}"
        )
    for variant in variants:
        _require(variant.id, predictions, "a prediction")
        _require(variant.id, files, "a file")
        _require(variant.id, counts, "a count of its parameters")
        if variant.format != "keras":
            _require(variant.id, sources, "a source")
            _require(variant.id, verdicts, "a comparison with its reference")
            _require(sources[variant.id], predictions, f"a prediction, as the source of {variant.id}")
    accuracies = {variant.id: _judge(variant.id, predictions[variant.id], labels) for variant in variants}
    reference_logits = predictions[reference]
    entries = []
    for variant in variants:
        logits, facts, count = predictions[variant.id], files[variant.id], counts[variant.id]
        source = predictions[sources[variant.id]] if variant.id in sources else None
        share = accuracies[variant.id]
        correct = round(share * len(labels))
        entries.append(
            {
                "id": variant.id,
                "model": variant.model,
                "format": variant.format,
                "precision": variant.precision,
                "path": variant.path,
                "sha256": facts.sha256,
                "size_bytes": facts.size_bytes,
                "gzip_bytes": facts.gzip_bytes,
                "parameters": count.parameters,
                "nonzero_parameters": count.nonzero_parameters,
                "macs": count.macs,
                "accuracy": round(share, 6),
                "accuracy_ci95": [round(end, 6) for end in wilson(correct, len(labels))],
                "accuracy_drop": round(accuracies[reference] - share, 6) + 0.0,  # no negative zero
                "agreement_with_reference": round(agreement(logits, reference_logits), 6),
                "agreement_with_source": None if source is None else round(agreement(logits, source), 6),
                "max_abs_error": None if source is None else float(f"{max_abs_error(logits, source):.6g}"),
                **{
                    f"oracle_{key}": verdicts.get(variant.id, {}).get(key)
                    for key in ("labels", "equal", "steps")
                },
            }
        )
    return {"schema": SCHEMA, "dataset": dict(dataset), "reference": reference, "variants": entries}


def latency_table(
    variants: Sequence[Variant], *, host: Mapping[str, Any], measurements: Mapping[str, Measurement]
) -> dict[str, Any]:
    """What each variant took on this machine; variants keep their order.

    Raises:
        Finding: a variant has no measurement.
    """
    entries = []
    for variant in variants:
        _require(variant.id, measurements, "a measurement")
        measured = measurements[variant.id]
        latency = measured.latency
        entries.append(
            {
                "id": variant.id,
                "threads": measured.threads,
                "latency_us": None
                if latency is None
                else {"p50": latency.p50, "p90": latency.p90, "p99": latency.p99, "mean": latency.mean},
                "runs": None if latency is None else latency.runs,
                "batch": None if latency is None else latency.batch,
                "load_ms": measured.load_ms,
                "first_load_ms": measured.first_load_ms,
                "peak_rss_bytes": measured.peak_rss_bytes,
                "not_run": measured.not_run,
            }
        )
    return {"schema": SCHEMA, "host": dict(host), "variants": entries}


def _judge(name: str, logits: Logits, labels: npt.NDArray[np.integer]) -> float:
    try:
        return accuracy(logits, labels)
    except Finding as error:
        raise Finding(f"{name}: {error}") from None


def _require(name: str, given: Mapping[str, object], what: str) -> None:
    if name not in given:
        raise Finding(
            f"{name}: {what} is required, but there is none; run dvc repro, which makes what is missing"
        )
