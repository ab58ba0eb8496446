"""Train the teacher on the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.tasks.registry import open_task
from edgebuild.train import backend
from edgebuild.train.checkpoint import Checkpoints
from edgebuild.train.history import History
from edgebuild.train.loop import fit, keras_trainee
from edgebuild.zoo.resnet import resnet

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """train, validation → models/teacher-keras-fp32.keras."""
    params, seed = stage.params.teacher, stage.params.seed
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    task = open_task(stage.params.task)
    task.check(train.labels, train.classes, "data/train.npz")
    tf, keras = backend.load(seed, stage.params.threads)
    shape = (*train.images.shape[1:3], train.images.shape[3])
    model = resnet(
        keras, shape, task.outputs(shape, train.classes),
        width=params.width, blocks=params.blocks, stages=params.stages,
    )  # fmt: skip
    epochs = History(stage.metrics, stage.progress, task.figure)
    trainee = keras_trainee(tf, model, train.scale, task.loss)
    checkpoint = Checkpoints(stage.kept, stage.say, stage.warn).of("teacher")
    fit(
        tf, keras, trainee, train, validation, params,
        task=task, seed=seed, on_epoch=epochs.add, checkpoint=checkpoint,
    )  # fmt: skip
    keras_format.write(model, stage.out("models/teacher-keras-fp32.keras"))
    epochs.write(stage.out("metrics/history/teacher.csv"))
    stage.say(f"{model.count_params():,} parameters, {epochs.last}")
