"""Freeze each trained network into the inference graph that all formats are written from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.graph import file
from edgebuild.graph.count import count
from edgebuild.graph.freeze import freeze
from edgebuild.tasks.registry import open_task
from edgebuild.train import backend

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """teacher, student and pruned student → their fp32 graphs."""
    calibration = Split.read(stage.dep("data/calibration.npz"))
    task = open_task(stage.params.task)
    names = task.names(calibration.classes)
    _, keras = backend.load(seed=0)
    told = []
    for name in ("teacher", "student", "pruned"):
        model = keras_format.load_model(keras, stage.dep(f"models/{name}-keras-fp32.keras"))
        graph = freeze(model, names, calibration.scale, task=task.kind, units=task.units)
        file.write(graph, stage.out(f"models/graphs/{name}-fp32.safetensors"))
        told.append(f"{name} {count(graph).macs:,} MACs")
    stage.say(", ".join(told))
