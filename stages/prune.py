"""Make the student sparse while it goes on learning from the teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.compress.distill import teacher_of
from edgebuild.compress.prune import Pruner, prunable, sparsity
from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.graph import file
from edgebuild.graph.freeze import freeze
from edgebuild.train import backend
from edgebuild.train.history import History
from edgebuild.train.loop import fit, total_steps
from edgebuild.train.losses import distillation

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """train, validation, student, teacher → the pruned student as Keras model and as graph."""
    params, seed = stage.params.prune, stage.params.seed
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    tf, keras = backend.load(seed, stage.params.threads)
    model = keras_format.load_model(keras, stage.dep("models/student-keras-fp32.keras"))
    teacher = keras_format.load_model(keras, stage.dep("models/teacher-keras-fp32.keras"))
    kernels = prunable(model)
    ramp = round(params.ramp * total_steps(len(train), params))
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
        after_step=Pruner(kernels, params.sparsity, ramp, params.frequency),
    )
    keras_format.write(model, stage.out("models/pruned-keras-fp32.keras"))
    file.write(freeze(model, train.classes), stage.out("models/graphs/pruned-fp32.safetensors"))
    epochs.write(stage.out("metrics/history/pruned.csv"))
    stage.metrics({"sparsity": sparsity(kernels)})
    stage.say(f"{sparsity(kernels):.1%} of the pruned kernels are zero, {epochs.last}")
