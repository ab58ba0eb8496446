"""Train the student on the labels and on what the teacher says of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.compress.distill import teacher_of
from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.graph import file
from edgebuild.graph.freeze import freeze
from edgebuild.train import backend
from edgebuild.train.history import History
from edgebuild.train.loop import fit
from edgebuild.train.losses import distillation
from edgebuild.zoo.ds_cnn import ds_cnn

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """train, validation, teacher → the student as Keras model and as graph."""
    params, student, seed = stage.params.distill, stage.params.student, stage.params.seed
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    tf, keras = backend.load(seed, stage.params.threads)
    teacher = keras_format.load_model(keras, stage.dep("models/teacher-keras-fp32.keras"))
    shape = (*train.images.shape[1:3], train.images.shape[3])
    model = ds_cnn(
        keras,
        shape,
        len(train.classes),
        width=student.width,
        blocks=student.blocks,
        stages=student.stages,
        stem_stride=student.stem_stride,
    )
    if model.count_params() >= teacher.count_params():
        stage.warn(
            f"the student has {model.count_params():,} parameters, the teacher {teacher.count_params():,}"
        )
    epochs = History(stage.metrics, stage.progress)
    fit(
        tf,
        keras,
        model,
        train,
        validation,
        params,
        loss=distillation(params.temperature, params.alpha),
        seed=seed,
        on_epoch=epochs.add,
        teacher=teacher_of(teacher, stage.dep("data/teacher-logits.npy"), params),
    )
    keras_format.write(model, stage.out("models/student-keras-fp32.keras"))
    file.write(freeze(model, train.classes), stage.out("models/graphs/student-fp32.safetensors"))
    epochs.write(stage.out("metrics/history/student.csv"))
    stage.say(f"{model.count_params():,} parameters, {epochs.last}")
