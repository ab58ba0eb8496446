"""How long a Keras model that exists only in memory would take in LiteRT: a cost for structured pruning."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgebuild.formats import litert
from edgebuild.graph.freeze import freeze
from edgebuild.measure.latency import measure

__all__ = ["litert_us"]

WARMUP, RUNS = 50, 500


def litert_us(model: Any) -> float:
    """The median time of one inference of ``model`` at fp32, in microseconds: batch 1, one thread, this machine.

    Raises:
        GraphError: a layer that the graph cannot hold.
    """
    labels = tuple(f"class {index}" for index in range(model.outputs[0].shape[-1]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.tflite"
        litert.write(freeze(model, labels), path)
        session = litert.load(path, threads=1)
        image = np.random.default_rng(0).random((1, *model.inputs[0].shape[1:]), np.float32)
        return measure(session.bind(image), warmup=WARMUP, runs=RUNS).p50
