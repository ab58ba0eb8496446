"""Put every variant side by side: the summary, the latencies, the plots, and the page for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgebuild.data.split import Split
from edgebuild.graph import file
from edgebuild.graph.count import count
from edgebuild.json_file import read_json, write_json
from edgebuild.measure import answers, layers, plots
from edgebuild.measure.latency import host
from edgebuild.measure.measurement import Measurement
from edgebuild.measure.pareto import points
from edgebuild.measure.size import file_facts
from edgebuild.measure.summary import latency_table, summary
from edgebuild.report import evidence, page
from edgebuild.report.evidence import Evidence
from edgebuild.tasks.registry import open_task
from edgebuild.variant import Variant

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage

TRAINED = ("teacher", "student", "pruned")
RUNTIMES = ("ai-edge-litert", "onnxruntime", "coremltools", "tensorflow", "keras", "numpy")


def main(stage: Stage) -> None:
    """models, predictions, latencies, test → metrics/summary.json, metrics/latency.json, plots, report.html."""
    trained = [Variant(model, "keras", "fp32") for model in TRAINED]
    variants = [*trained, *map(Variant.parse, stage.params.variants)]
    test = Split.read(stage.dep("data/test.npz"))
    models, measured, judged = (stage.dep(n) for n in ("models", "metrics/latency", "metrics/parity"))
    task, predictions = open_task(stage.params.task), stage.dep("metrics/predictions")
    given = {v.id: np.load(predictions / f"{v.id}.npy", allow_pickle=False) for v in variants}
    graphs = {f"{variant.model}-{variant.precision}" for variant in variants}
    counts = {name: count(file.read(models / "graphs" / f"{name}.safetensors")) for name in graphs}
    sensitivity = layers.read(stage.dep("metrics/sensitivity.csv"))
    results = summary(
        variants,
        task=task,
        dataset=read_json(stage.dep("metrics/data.json")),
        reference=trained[0].id,
        sources={variant.id: f"{variant.model}-keras-fp32" for variant in variants if variant not in trained},
        labels=test.labels,
        predictions=given,
        files={variant.id: file_facts(stage.root / variant.path) for variant in variants},
        counts={variant.id: counts[f"{variant.model}-{variant.precision}"] for variant in variants},
        verdicts={v.id: read_json(judged / f"{v.id}.json") for v in variants if v not in trained},
    )
    speeds = latency_table(
        variants,
        host=host(RUNTIMES),
        measurements={v.id: Measurement.parse(read_json(measured / f"{v.id}.json")) for v in variants},
    )
    write_json(stage.out("metrics/summary.json"), results)
    write_json(stage.out("metrics/latency.json"), speeds)

    curves = {name: plots.read_history(stage.dep("metrics/history") / f"{name}.csv") for name in TRAINED}
    plots.training_curves(stage.out("plots/training.png"), curves, quality=task.figure)
    sizes, times = points(results), points(results, speeds)
    plots.sizes(stage.out("plots/sizes.png"), sizes)
    plots.sensitivity(stage.out("plots/sensitivity.png"), sensitivity)
    for name, shown, cost in (("size", sizes, "size, KiB"), ("latency", times, "latency (p50), µs")):
        plots.trade_off(stage.out(f"plots/accuracy-{name}.png"), shown, cost=cost, quality=task.quality)
    for model in ("teacher", "pruned"):
        drawn, found = stage.out(f"plots/answers-{model}.png"), given[f"{model}-keras-fp32"]
        answers.draw(drawn, task, found, test.labels, test.classes, title=f"{model}, test split")
    pruned = evidence.graphs(models / "graphs")
    facts = Evidence(results, speeds, task, test, given, pruned, sensitivity, stage.params.cost)
    stage.out("plots/report.html").write_text(page.page(facts), encoding="utf-8")
    stage.say(f"{len(variants)} variants compared on {len(test):,} test examples")
