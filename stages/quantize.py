"""Fix the numbers of every precision once, for all runtimes; the int8 grid from calibration images."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from edgebuild.compress.bias import correct_bias
from edgebuild.compress.distill import read_logits
from edgebuild.compress.equalize import equalize
from edgebuild.compress.finetune import Tuning, fine_tuned
from edgebuild.compress.quantize import to_fp16, to_int8, to_w4, to_w8
from edgebuild.compress.ranges import calibration_images, observe
from edgebuild.compress.sensitivity import fall_back, sensitivities
from edgebuild.data.split import Split
from edgebuild.graph import file
from edgebuild.graph.ir import Graph
from edgebuild.graph.run import run
from edgebuild.measure import layers
from edgebuild.tasks.registry import open_task
from edgebuild.tasks.task import Task
from edgebuild.train import backend
from edgebuild.train.checkpoint import Checkpoints
from edgebuild.train.history import History

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """pruned graph, calibration, train → the same network as fp16, w8, w4 and int8 graph."""
    params = stage.params.quantize
    calibration = Split.read(stage.dep("data/calibration.npz"))
    images = calibration_images(calibration, params.samples)
    graph = file.read(stage.dep("models/graphs/pruned-fp32.safetensors"))
    task = open_task(stage.params.task)
    truth = task.answers(run(graph, images), images)
    task = task.settled(truth, calibration.labels[: len(images)])
    source = equalize(graph) if params.equalize else graph
    grids = observe(source, images, ranges=params.ranges, percentile=params.percentile)
    checkpoints = Checkpoints(stage.kept, stage.say, stage.warn)
    source = _tuned(stage, task, source, "int8", checkpoints, grids)

    def lower(in_float: Collection[str]) -> Graph:
        """The int8 graph in which some layers stay in float."""
        first = to_int8(source, grids, in_float)
        corrected = correct_bias(source, first, images) if params.correct_bias else source
        return to_int8(corrected, grids, in_float)

    integer, in_float = fall_back(source, lower, images, params.budget, task)
    eight, four = (
        correct_bias(graph, to(graph), images) if params.correct_bias else graph for to in (to_w8, to_w4)
    )
    four = _tuned(stage, task, four, "w4", checkpoints)
    for lowered in (to_fp16(graph), to_w8(eight), to_w4(four), integer):
        file.write(lowered, stage.out(f"models/graphs/pruned-{lowered.precision}.safetensors"))
    rows = sensitivities(source, lower(()), images, task)
    layers.write(rows, in_float, stage.out("metrics/sensitivity.csv"))
    same = float(task.alike(task.answers(run(integer, images), images), truth).mean())
    stage.metrics({"calibration_agreement": same, "layers_in_float": len(in_float)})
    stage.say(
        f"{len(grids)} tensors on the int8 grid from {len(images)} images, {same:.1%} of their decisions kept, "
        f"{'in float: ' + ', '.join(in_float) if in_float else f'most sensitive: {rows[0].node}'}"
    )


def _tuned(
    stage: Stage, task: Task, graph: Graph, precision: str, kept: Checkpoints, grids: Any = None
) -> Graph:
    """``graph``, trained on as the integers that it will be; as it is where the recipe has no epochs."""
    recipe: Tuning = getattr(stage.params.finetune, precision)
    if recipe.epochs == 0:
        return graph
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    tf, keras = backend.load(stage.params.seed, stage.params.threads)
    return fine_tuned(
        tf, keras, graph, precision, recipe, task=task, grids=grids, train=train, validation=validation,
        seed=stage.params.seed, guide=read_logits(stage.dep("data/teacher-logits.npy")), checkpoint=kept.of(precision),
        on_epoch=History(lambda values, step: None, stage.progress, task.figure).add,
    )  # fmt: skip
