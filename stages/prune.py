"""Make the student smaller, by channels or by weights, while it goes on learning from the teacher; or leave it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from edgebuild.compress import prune
from edgebuild.compress.channels.analyse import analyse
from edgebuild.compress.channels.cost import macs
from edgebuild.compress.channels.cut import cut, share_of_round
from edgebuild.compress.distill import guide_of, read_logits
from edgebuild.compress.teacher import open_teacher
from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.measure.candidate import litert_us
from edgebuild.tasks.registry import open_task
from edgebuild.train import backend
from edgebuild.train.checkpoint import Checkpoints
from edgebuild.train.history import History
from edgebuild.train.judge import judged
from edgebuild.train.loop import fit, inference, keras_trainee, total_steps

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """train, validation, student, teacher → models/pruned-keras-fp32.keras."""
    params, seed, threads = stage.params.prune, stage.params.seed, stage.params.threads
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    task = open_task(stage.params.task)
    tf, keras = backend.load(seed, threads)
    student, out = stage.dep("models/student-keras-fp32.keras"), stage.out("models/pruned-keras-fp32.keras")
    model = keras_format.load_model(keras, student)
    whole, skipped = macs(layout := analyse(model)), params.method == "none"
    for name, why in () if skipped else layout.pinned.items():
        stage.warn(f"{name} keeps its channels, and those that it reads: {why}")
    loss = task.distillation(params.temperature, params.alpha)
    logits = stage.dep("data/teacher-logits.npy")
    teacher = partial(
        open_teacher, tf, keras, stage.dep(stage.params.distill.teacher), task=task,
        scale=train.scale, shape=train.images.shape[1:], classes=train.classes, threads=threads,
    )  # fmt: skip
    # With alpha 0 nobody listens to the teacher, so it need not look at augmented images.
    guide = guide_of(teacher, logits, params) if params.alpha and not skipped else read_logits(logits)
    history = History(stage.metrics, stage.progress, task.figure)
    checkpoints = Checkpoints(stage.kept, stage.say, stage.warn)

    def recover(model: Any, name: str, pruner: prune.Pruner | None = None) -> None:
        trainee = keras_trainee(tf, model, train.scale, loss)
        if pruner is not None:
            trainee = replace(trainee, state=[*trainee.state, *pruner.masks])
        fit(
            tf, keras, trainee, train, validation, params, task=task, seed=seed,
            on_epoch=history.add, guide=guide, after_step=pruner, checkpoint=checkpoints.of(name),
        )  # fmt: skip

    if skipped:
        shutil.copyfile(student, out)
        history.add(judged(task, inference(tf, model, train.scale), train, validation))
    elif params.method == "structured":
        time = litert_us if params.cost == "latency" else None
        share, known = share_of_round(params.keep, params.rounds), read_logits(logits)
        for number in range(1, params.rounds + 1):
            model = cut(tf, model, params, share, task=task, train=train, logits=known, loss=loss, time=time)
            recover(model, f"round-{number}")
    else:
        ramp, scheme = round(params.ramp * total_steps(len(train), params)), prune.SCHEMES[params.scheme]
        kernels = prune.prunable(model)
        recover(model, "pruned", prune.Pruner(kernels, params.sparsity, ramp, params.frequency, scheme))
    if not skipped:
        keras_format.write(model, out)
    history.write(stage.out("metrics/history/pruned.csv"))
    zeros, left = prune.sparsity(prune.prunable(model)), macs(analyse(model))
    stage.metrics({"sparsity": zeros, "macs": left})
    what = "skipped" if skipped else f"{left / whole:.0%} of the MACs, {zeros:.0%} zeros"
    stage.say(f"{model.count_params():,} parameters, {what}, {history.last}")
