"""Run one variant's file: on the whole test split for its answers, in its own process for its speed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from edgebuild.data.split import Split
from edgebuild.formats.registry import open_format
from edgebuild.json_file import write_json
from edgebuild.measure import isolated
from edgebuild.measure.accuracy import accuracy
from edgebuild.variant import Variant

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """file, test → metrics/predictions/<variant>.npy, metrics/latency/<variant>.json."""
    variant = Variant.parse(stage.key)
    timing = getattr(stage.params.benchmark, variant.format)
    path = stage.dep("models/*")
    test = Split.read(stage.dep("data/test.npz"))
    # Always one thread: the answers must not depend on how the runtime is timed.
    logits = open_format(variant.format).load(path, threads=1).predict(test.real())
    np.save(stage.out("metrics/predictions/*"), logits)

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
