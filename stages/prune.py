"""Make the student smaller, by whole channels or by single weights, while it goes on learning from the teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebuild.compress import prune
from edgebuild.compress.channels.analyse import analyse
from edgebuild.compress.channels.choose import choose
from edgebuild.compress.channels.cost import macs
from edgebuild.compress.channels.importance import magnitude, taylor
from edgebuild.compress.channels.shrink import shrink
from edgebuild.compress.distill import guide_of, read_logits
from edgebuild.compress.teacher import open_teacher
from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.measure.candidate import litert_us
from edgebuild.train import backend
from edgebuild.train.history import History
from edgebuild.train.loop import fit, keras_trainee, total_steps
from edgebuild.train.losses import distillation

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage

#: Batches of training images that the first-order importance is summed over.
BATCHES = 16


def main(stage: Stage) -> None:
    """train, validation, student, teacher → models/pruned-keras-fp32.keras."""
    params, seed, threads = stage.params.prune, stage.params.seed, stage.params.threads
    train, validation = (Split.read(stage.dep(f"data/{name}.npz")) for name in ("train", "validation"))
    tf, keras = backend.load(seed, threads)
    model = keras_format.load_model(keras, stage.dep("models/student-keras-fp32.keras"))
    guide = guide_of(
        lambda: open_teacher(
            tf,
            keras,
            stage.dep(stage.params.distill.teacher),
            scale=train.scale,
            shape=train.images.shape[1:],
            classes=len(train.classes),
            threads=threads,
        ),
        logits := stage.dep("data/teacher-logits.npy"),
        params,
    )
    loss = distillation(params.temperature, params.alpha)
    history = History(stage.metrics, stage.progress)

    def recover(model: Any, after_step: Callable[[int], None] | None = None) -> None:
        trainee = keras_trainee(tf, model, train.scale, loss)
        fit(
            tf, keras, trainee, train, validation, params,
            seed=seed, on_epoch=history.add, guide=guide, after_step=after_step,
        )  # fmt: skip

    if params.method == "structured":
        whole = macs(analyse(model))
        for done in range(1, params.rounds + 1):
            share = params.keep ** (1 / params.rounds)
            model = _cut(tf, model, params, share, lambda: _batches(train, read_logits(logits), params), loss)
            stage.say(f"round {done}: {macs(analyse(model)):,} of {whole:,} MACs")
            recover(model)
        told = f"{macs(analyse(model)) / whole:.1%} of the MACs stay"
    else:
        kernels = prune.prunable(model)
        ramp = round(params.ramp * total_steps(len(train), params))
        scheme = prune.SCHEMES[params.scheme]
        recover(model, prune.Pruner(kernels, params.sparsity, ramp, params.frequency, scheme))
        told = f"{prune.sparsity(kernels):.1%} of the pruned kernels are zero"
    keras_format.write(model, stage.out("models/pruned-keras-fp32.keras"))
    history.write(stage.out("metrics/history/pruned.csv"))
    stage.metrics({"sparsity": prune.sparsity(prune.prunable(model)), "macs": macs(analyse(model))})
    stage.say(f"{model.count_params():,} parameters, {told}, {history.last}")


def _cut(tf: Any, model: Any, params: Any, share: float, batches: Callable[[], Any], loss: Any) -> Any:
    """``model`` with the channels that cost least to lose gone, until ``share`` of its cost is left."""
    layout = analyse(model)
    if params.importance == "taylor":
        scores = taylor(tf, model, layout, batches(), loss=loss)
    else:
        scores = magnitude(layout)

    def cost(keep: Any) -> float:
        return litert_us(shrink(model, layout, keep)) if params.cost == "latency" else macs(layout, keep)

    target = share * cost({})
    return shrink(model, layout, choose(layout, scores, cost, target, multiple=params.multiple))


def _batches(train: Split, logits: Any, params: Any) -> list[tuple[Any, Any, Any]]:
    """Training images that stand evenly over the split, real, with labels and the teacher's logits."""
    count = min(BATCHES * params.batch_size, len(train))
    chosen = np.linspace(0, len(train) - 1, count).astype(np.int64)
    real = train.images[chosen].astype(np.float32) * np.float32(train.scale)
    return [
        (real[start : start + params.batch_size], train.labels[part], logits[part])
        for start in range(0, count, params.batch_size)
        if len(part := chosen[start : start + params.batch_size])
    ]
