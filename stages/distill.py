"""Train the student on the labels and on what the teacher says of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgebuild.compress.distill import guide_of
from edgebuild.compress.features import feature_trainee
from edgebuild.compress.teacher import Teacher, open_teacher
from edgebuild.data.split import Split
from edgebuild.errors import UsageError
from edgebuild.formats import keras as keras_format
from edgebuild.tasks.registry import open_task
from edgebuild.train import backend
from edgebuild.train.checkpoint import Checkpoints
from edgebuild.train.history import History
from edgebuild.train.loop import Trainee, fit, keras_trainee
from edgebuild.train.losses import Loss
from edgebuild.zoo.ds_cnn import ds_cnn

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """train, validation, teacher → models/student-keras-fp32.keras, data/teacher-logits.npy."""
    params, seed, threads = stage.params.distill, stage.params.seed, stage.params.threads
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    task = open_task(stage.params.task)
    tf, keras = backend.load(seed, threads)
    shape = (*train.images.shape[1:3], train.images.shape[3])
    model = _student(keras, shape, task.outputs(shape, train.classes), stage.params.student)
    teacher_path = stage.dep(params.teacher)
    teacher = open_teacher(
        tf, keras, teacher_path,
        task=task, scale=train.scale, shape=shape, classes=train.classes, threads=threads,
    )  # fmt: skip
    if teacher.model is not None and model.count_params() >= (size := teacher.model.count_params()):
        stage.warn(f"the student has {model.count_params():,} parameters, the teacher {size:,}")
    loss = task.distillation(params.temperature, params.alpha)
    trainee = _trainee(tf, keras, model, teacher, teacher_path.name, train.scale, loss, params)
    logits = stage.out("data/teacher-logits.npy")
    np.save(logits, teacher(train.images))

    epochs = History(stage.metrics, stage.progress, task.figure)
    guide = guide_of(lambda: teacher, logits, params)
    checkpoint = Checkpoints(stage.kept, stage.say, stage.warn).of("student")
    fit(
        tf, keras, trainee, train, validation, params,
        task=task, seed=seed, on_epoch=epochs.add, guide=guide, checkpoint=checkpoint,
    )  # fmt: skip
    keras_format.write(model, stage.out("models/student-keras-fp32.keras"))
    epochs.write(stage.out("metrics/history/student.csv"))
    stage.say(f"{model.count_params():,} parameters, {epochs.last}")


def _student(keras: Any, shape: tuple[int, int, int], outputs: int, params: Any) -> Any:
    return ds_cnn(
        keras, shape, outputs,
        width=params.width, blocks=params.blocks, stages=params.stages, stem_stride=params.stem_stride,
    )  # fmt: skip


def _trainee(
    tf: Any, keras: Any, model: Any, teacher: Teacher, name: str, scale: float, loss: Loss, params: Any
) -> Trainee:
    if params.features == "none":
        return keras_trainee(tf, model, scale, loss)
    if teacher.model is None:
        raise UsageError(
            f"distill.features: {params.features} looks inside the teacher, which only a .keras file allows, but "
            f"distill.teacher is {name}; set distill.features to none"
        )
    kind, beta = params.features, params.beta
    return feature_trainee(tf, keras, model, teacher.model, scale=scale, loss=loss, kind=kind, beta=beta)
