"""Train the teacher, and write down its logits for the trainings that learn from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.graph import file
from edgebuild.graph.freeze import freeze
from edgebuild.train import backend
from edgebuild.train.history import History
from edgebuild.train.loop import fit, inference
from edgebuild.train.losses import cross_entropy
from edgebuild.zoo.resnet import resnet

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """train, validation → the teacher as Keras model, as graph, and its logits on train."""
    params, seed = stage.params.teacher, stage.params.seed
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    tf, keras = backend.load(seed, stage.params.threads)
    shape = (*train.images.shape[1:3], train.images.shape[3])
    model = resnet(
        keras, shape, len(train.classes), width=params.width, blocks=params.blocks, stages=params.stages
    )
    epochs = History(stage.metrics, stage.progress)
    fit(tf, keras, model, train, validation, params, loss=cross_entropy, seed=seed, on_epoch=epochs.add)

    keras_format.write(model, stage.out("models/teacher-keras-fp32.keras"))
    file.write(freeze(model, train.classes), stage.out("models/graphs/teacher-fp32.safetensors"))
    np.save(stage.out("data/teacher-logits.npy"), inference(tf, model, train.scale)(train.images))
    epochs.write(stage.out("metrics/history/teacher.csv"))
    stage.say(f"{model.count_params():,} parameters, {epochs.last}")
