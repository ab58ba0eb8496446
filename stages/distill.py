"""Train the student on the labels and on what the teacher says of each image; or let the teacher go on itself."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from edgebuild.compress.distill import guide_of, read_logits, write_logits
from edgebuild.compress.features import feature_trainee
from edgebuild.compress.teacher import Teacher, open_teacher
from edgebuild.data.split import Split
from edgebuild.errors import UsageError
from edgebuild.formats import keras as keras_format
from edgebuild.tasks.registry import open_task
from edgebuild.train import backend
from edgebuild.train.checkpoint import Checkpoints
from edgebuild.train.history import History
from edgebuild.train.judge import judged
from edgebuild.train.loop import Trainee, fit, keras_trainee
from edgebuild.zoo.names import TEACHER
from edgebuild.zoo.registry import build, unread

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage
    from edgebuild.tasks.task import Task


def main(stage: Stage) -> None:
    """train, validation, teacher → models/student-keras-fp32.keras, data/teacher-logits.npy."""
    params, seed, threads = stage.params.distill, stage.params.seed, stage.params.threads
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    task = open_task(stage.params.task)
    tf, keras = backend.load(seed, threads)
    shape = (*train.images.shape[1:3], train.images.shape[3])
    path, student, where = stage.dep(params.teacher), stage.params.student, "student.architecture"
    outputs, itself = task.outputs(shape, train.classes), student.architecture == TEACHER
    model = None if itself else build(keras, student, shape=shape, outputs=outputs, where=where)
    teacher = open_teacher(
        tf, keras, path, task=task, scale=train.scale, shape=shape, classes=train.classes, threads=threads
    )
    logits, out = stage.out("data/teacher-logits.npy"), stage.out("models/student-keras-fp32.keras")
    write_logits(logits, teacher, train.images)
    epochs = History(stage.metrics, stage.progress, task.figure)
    if model is None:
        epochs.add(judged(task, teacher, train, validation, read_logits(logits)))
        shutil.copyfile(path, out)
        epochs.write(stage.out("metrics/history/student.csv"))
        return stage.say(f"skipped: the teacher goes on as the student, {epochs.last}")
    if teacher.model is not None and model.count_params() >= (size := teacher.model.count_params()):
        stage.warn(f"the student has {model.count_params():,} parameters, the teacher {size:,}")
    trainee = _trainee(tf, keras, model, teacher, path.name, train.scale, task, params)
    # With alpha 0 nobody listens to the teacher, so it need not look at augmented images.
    guide = guide_of(lambda: teacher, logits, params) if params.alpha else read_logits(logits)
    checkpoint = Checkpoints(stage.kept, stage.say, stage.warn).of("student")
    fit(
        tf, keras, trainee, train, validation, params,
        task=task, seed=seed, on_epoch=epochs.add, guide=guide, checkpoint=checkpoint,
    )  # fmt: skip
    keras_format.write(model, out)
    epochs.write(stage.out("metrics/history/student.csv"))
    idle = ", ".join(unread(student.architecture, where))
    notes = f" (without {idle})" * bool(idle) + ", on labels alone" * (not params.alpha)
    return stage.say(f"{model.count_params():,} parameters{notes}, {epochs.last}")


def _trainee(
    tf: Any, keras: Any, model: Any, teacher: Teacher, name: str, scale: float, task: Task, params: Any
) -> Trainee:
    loss = task.distillation(params.temperature, params.alpha)
    if params.features == "none":
        return keras_trainee(tf, model, scale, loss)
    if teacher.model is None:
        raise UsageError(
            f"distill.features: {params.features} looks inside the teacher, which only a .keras file allows, but "
            f"distill.teacher is {name}; set distill.features to none"
        )
    kind, beta = params.features, params.beta
    return feature_trainee(tf, keras, model, teacher.model, scale=scale, loss=loss, kind=kind, beta=beta)
