"""The contract's metrics/summary.json and metrics/latency.json, from plain inputs.

Everything in the summary is deterministic; whatever depends on the machine is
in the latencies. Numbers are rounded so that a last bit cannot change a file:
fractions to 6 decimals, errors to 6 significant digits, microseconds and
milliseconds to 3 decimals (a nanosecond, a microsecond).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebuild.errors import Finding
from edgebuild.graph.count import Counts
from edgebuild.measure.accuracy import max_abs_error
from edgebuild.measure.measurement import Measurement
from edgebuild.measure.size import FileFacts
from edgebuild.variant import Variant

if TYPE_CHECKING:
    from edgebuild.tasks.task import Answers, Labels, Score, Task

__all__ = ["SCHEMA", "latency_table", "summary"]

SCHEMA = 1


def summary(
    variants: Sequence[Variant],
    *,
    task: Task,
    dataset: Mapping[str, Any],
    reference: str,
    sources: Mapping[str, str],
    labels: Labels,
    predictions: Mapping[str, Answers],
    files: Mapping[str, FileFacts],
    counts: Mapping[str, Counts],
    verdicts: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Judge every variant on the test split; variants keep their order.

    Args:
        task: what the answers are judged as; ``accuracy`` is its quality.
        dataset: what the file says about the data, as it is.
        reference: the id whose accuracy the others are compared with.
        sources: variant id → id of the Keras model it was exported from; variants
            that were not exported are not in it and have null comparisons.
        labels: those of the test split.
        predictions: variant id → the task's answers on the same images, float ``(n, k)``.
        files: variant id → facts of its file.
        counts: variant id → parameters and MACs.
        verdicts: variant id → how its answers compare with its graph's reference
            (:class:`edgebuild.measure.oracle.Verdict`); as for ``sources``.

    Raises:
        Finding: anything about a variant is missing, or its answers are not
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
    scores = {variant.id: _judge(task, variant.id, predictions[variant.id], labels) for variant in variants}
    settled = {name: task.settled(predictions[name], labels) for name in {reference, *sources.values()}}
    entries = []
    for variant in variants:
        answers, facts, count = predictions[variant.id], files[variant.id], counts[variant.id]
        source, score = sources.get(variant.id), scores[variant.id]

        def agreement(other: str, answers: Answers = answers) -> float:
            return round(float(np.mean(settled[other].alike(answers, predictions[other]))), 6)

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
                "accuracy": round(score.value, 6),
                "accuracy_ci95": [round(end, 6) for end in (score.low, score.high)],
                "accuracy_drop": round(scores[reference].value - score.value, 6) + 0.0,  # no negative zero
                "metrics": {
                    name: float(f"{value:.6g}") for name, value in task.metrics(answers, labels).items()
                },
                "agreement_with_reference": agreement(reference),
                "agreement_with_source": None if source is None else agreement(source),
                "max_abs_error": None
                if source is None
                else float(f"{max_abs_error(answers, predictions[source]):.6g}"),
                **{
                    f"oracle_{key}": verdicts.get(variant.id, {}).get(key)
                    for key in ("labels", "equal", "steps", "outputs", *(("error",) if task.numeric else ()))
                },
            }
        )
    return {
        "schema": SCHEMA,
        "task": task.kind,
        "quality": task.quality,
        "dataset": dict(dataset),
        "reference": reference,
        "variants": entries,
    }


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
                "blocks_us": None if latency is None else list(latency.blocks),
                "load_ms": measured.load_ms,
                "first_load_ms": measured.first_load_ms,
                "peak_rss_bytes": measured.peak_rss_bytes,
                "not_run": measured.not_run,
            }
        )
    return {"schema": SCHEMA, "host": dict(host), "variants": entries}


def _judge(task: Task, name: str, answers: Answers, labels: Labels) -> Score:
    try:
        return task.score(answers, labels)
    except Finding as error:
        raise Finding(f"{name}: {error}") from None


def _require(name: str, given: Mapping[str, object], what: str) -> None:
    if name not in given:
        raise Finding(
            f"{name}: {what} is required, but there is none; run dvc repro, which makes what is missing"
        )
