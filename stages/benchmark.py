"""Run one variant's file: on the whole test split for its answers, in its own process for its speed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgebuild.data.split import Split
from edgebuild.formats import coreml
from edgebuild.formats.registry import open_format
from edgebuild.graph import file
from edgebuild.graph.run import run
from edgebuild.json_file import write_json
from edgebuild.measure import isolated, oracle
from edgebuild.measure.accuracy import accuracy
from edgebuild.variant import Variant

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage

#: A float file has no steps to count, and its labels are compared with Keras' own on the whole split.
FLOAT_IMAGES = 500

Floats = npt.NDArray[np.float32]


def main(stage: Stage) -> None:
    """file, its graph, test → metrics/predictions/<variant>.npy, metrics/parity and metrics/latency/<variant>.json."""
    variant = Variant.parse(stage.key)
    timing = getattr(stage.params.benchmark, variant.format)
    path = stage.dep(f"models/{variant.id}.*")
    test = Split.read(stage.dep("data/test.npz"))
    images = test.real()
    # Always one thread: the answers must not depend on how the runtime is timed.
    logits = open_format(variant.format).load(path, threads=1).predict(images)
    np.save(stage.out("metrics/predictions/*"), logits)
    if variant.format != "keras":
        _judge(stage, variant, images, logits)

    speed = isolated.run(
        variant.format,
        path,
        test.images.shape[1:],
        threads=timing.threads,
        warmup=timing.warmup,
        runs=timing.runs,
    )
    write_json(stage.out("metrics/latency/*"), asdict(speed))
    right = accuracy(logits, test.labels)
    stage.metrics({"accuracy": right, **speed.metrics()})
    stage.say(f"accuracy {right:.4f} on {len(test):,} images, {speed}")


def _judge(stage: Stage, variant: Variant, images: Floats, logits: Floats) -> None:
    """Hold the file's answers against the reference's: all of an integer file's, the first of a float file's."""
    graph = file.read(stage.dep("models/graphs/*"))
    grid = graph.output.grid
    count = FLOAT_IMAGES if grid is None else len(images)
    reference = run(graph, images[:count])
    step = None if grid is None else grid.scale
    verdict = oracle.compare(logits[:count], reference, step)
    limit = oracle.Limit(0.0, 0, oracle.LABELS) if grid is None else oracle.GRID_LIMITS[variant.format]
    oracle.judge(verdict, limit, variant.id)
    found = verdict.as_json()
    if grid is not None:
        stage.say(str(verdict))
    if grid is not None and variant.format == "coreml":
        half = oracle.compare(coreml.in_half(graph, images), reference, step)
        oracle.judge(half, oracle.HALF, f"{variant.id} computed in float16")
        found["half"] = half.as_json()
        stage.say(f"in float16: {half}")
    write_json(stage.out("metrics/parity/*"), found)
