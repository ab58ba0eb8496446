"""Run one variant's file: on the whole test split for its answers, in its own process for its speed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from edgebuild.data.split import Split
from edgebuild.formats import coreml
from edgebuild.formats.registry import open_format
from edgebuild.graph import file
from edgebuild.graph.run import run
from edgebuild.json_file import write_json
from edgebuild.measure import isolated, oracle
from edgebuild.tasks.registry import open_task
from edgebuild.variant import Variant

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage

#: A float file has no steps to count, and its answers are compared with Keras' own on the whole split.
FLOAT_IMAGES = 500
#: Images in memory at once; a multiple of what each runtime computes together.
CHUNK = 256


def main(stage: Stage) -> None:
    """file, its graph, test → metrics/predictions/<variant>.npy, metrics/parity and metrics/latency/<variant>.json."""
    variant, task = Variant.parse(stage.key), open_task(stage.params.task)
    timing = getattr(stage.params.benchmark, variant.format)
    path = stage.dep(f"models/{variant.id}.*")
    test = Split.read(stage.dep("data/test.npz"))
    # Always one thread: the answers must not depend on how the runtime is timed.
    session = open_format(variant.format).load(path, threads=1)
    graph = None if variant.format == "keras" else file.read(stage.dep("models/graphs/*"))
    grid = None if graph is None else graph.output.grid
    step, judged = (None, FLOAT_IMAGES) if grid is None else (grid.scale, len(test))
    whole, half = (oracle.Comparison(task, step) for _ in range(2))
    answers = []
    for number, images in enumerate(test.batches(CHUNK)):
        outputs = session.predict(images)
        answers.append(task.answers(outputs, images))
        if graph is not None and (left := judged - CHUNK * number) > 0:
            images = images[:left]
            reference = run(graph, images)
            whole.add(outputs[:left], reference, images)
            if grid is not None and variant.format == "coreml":
                half.add(coreml.in_half(graph, images), reference, images)
    found = np.concatenate(answers)
    np.save(stage.out("metrics/predictions/*"), found)
    if graph is not None:
        limit = oracle.Limit(0.0, 0, oracle.LABELS) if grid is None else oracle.GRID_LIMITS[variant.format]
        labels = test.labels[:judged]
        verdict = oracle.judge(whole.verdict(labels), limit, variant.id).as_json()
        if grid is not None:
            stage.say(str(whole.verdict(labels)))
        if half.images:
            shown = oracle.judge(half.verdict(labels), oracle.HALF, f"{variant.id} computed in float16")
            verdict["half"] = shown.as_json()
            stage.say(f"in float16: {shown}")
        write_json(stage.out("metrics/parity/*"), verdict)

    speed = isolated.run(
        variant.format,
        path,
        test.images.shape[1:],
        threads=timing.threads,
        warmup=timing.warmup,
        runs=timing.runs,
    )
    write_json(stage.out("metrics/latency/*"), asdict(speed))
    right = task.score(found, test.labels).value
    stage.metrics({"accuracy": right, **speed.metrics()})
    stage.say(f"{task.quality} {right:.4f} on {len(test):,} images, {speed}")
