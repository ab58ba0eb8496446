"""Train the teacher on the labels, or adopt the one that teacher.file names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebuild.compress.adopt import adopt
from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.tasks.registry import open_task
from edgebuild.train import backend
from edgebuild.train.checkpoint import Checkpoints
from edgebuild.train.history import History
from edgebuild.train.judge import judged
from edgebuild.train.loop import fit, inference, keras_trainee
from edgebuild.zoo.registry import build, unread

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage
    from edgebuild.tasks.task import Task


def main(stage: Stage) -> None:
    """train, validation → models/teacher-keras-fp32.keras."""
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    task = open_task(stage.params.task)
    task.check(train.labels, train.classes, "data/train.npz")
    tf, keras = backend.load(stage.params.seed, stage.params.threads)
    history = History(stage.metrics, stage.progress, task.figure)
    make = _adopted if stage.params.teacher.file else _trained
    model, how = make(stage, tf, keras, task, train, validation, history)
    keras_format.write(model, stage.out("models/teacher-keras-fp32.keras"))
    history.write(stage.out("metrics/history/teacher.csv"))
    stage.say(f"{how}{model.count_params():,} parameters, {history.last}")


def _trained(
    stage: Stage, tf: Any, keras: Any, task: Task, train: Split, validation: Split, history: History
) -> tuple[Any, str]:
    params, where = stage.params.teacher, "teacher.architecture"
    shape = (*train.images.shape[1:3], train.images.shape[3])
    outputs = task.outputs(shape, train.classes)
    model = build(keras, params, shape=shape, outputs=outputs, where=where)
    checkpoint = Checkpoints(stage.kept, stage.say, stage.warn).of("teacher")
    fit(
        tf, keras, keras_trainee(tf, model, train.scale, task.loss), train, validation, params,
        task=task, seed=stage.params.seed, on_epoch=history.add, checkpoint=checkpoint,
    )  # fmt: skip
    idle = ", ".join(unread(params.architecture, where))
    return model, f"{params.architecture} (without {idle}), " if idle else ""


def _adopted(
    stage: Stage, tf: Any, keras: Any, task: Task, train: Split, validation: Split, history: History
) -> tuple[Any, str]:
    params = stage.params.teacher
    path = Path(params.file) if Path(params.file).is_absolute() else stage.dep(params.file)
    adopted = adopt(
        tf, keras, path, task=task, takes=params.input,
        validation=validation, classes=train.classes, threads=stage.params.threads,
    )  # fmt: skip
    for warning in adopted.warnings:
        stage.warn(warning)
    history.add(judged(task, inference(tf, adopted.model, train.scale), train, validation))
    changes = f" ({', '.join(adopted.changes)})" if adopted.changes else ""
    return adopted.model, f"{path.name} adopted{changes}, "
