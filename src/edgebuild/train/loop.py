"""The training loop: AdamW on a cosine schedule, over arrays in memory.

Everything random in an epoch (order, augmentation) comes from a generator
seeded by the run's seed and the epoch's number, so an epoch does not depend on
the ones before it other than through the weights. That, and where the epoch is,
is what a checkpoint has to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from edgebuild.data.images import rows_of
from edgebuild.errors import DataError, Finding
from edgebuild.train.augment import augment
from edgebuild.train.checkpoint import Checkpoint, Position
from edgebuild.train.layers import keras_augmentation
from edgebuild.train.losses import Loss

if TYPE_CHECKING:
    from edgebuild.tasks.task import Answers, Task

__all__ = [
    "Epoch",
    "Examples",
    "Guide",
    "Inference",
    "Recipe",
    "Trainee",
    "fit",
    "inference",
    "keras_trainee",
    "steps_per_epoch",
    "total_steps",
]

#: Images that are inferred at once, and how many bytes of them at most: a network's activations take far more.
BATCH, BATCH_BYTES = 500, 4 * 2**20

Images = npt.NDArray[np.uint8]
Outputs = npt.NDArray[np.float32]
#: stored images, uint8 (n, h, w, c) → what the network gives, float32 (n, outputs)
Inference = Callable[[Images], Outputs]
#: The teacher's outputs: a row per training image, or a function of any stored images.
Guide = Outputs | Inference


class Recipe(Protocol):
    """How long and how fast to train: the part that every training section of params.yaml shares."""

    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def shift(self) -> int: ...
    @property
    def flip(self) -> bool: ...
    @property
    def augment(self) -> str: ...


class Examples(Protocol):
    """Images and labels to train or validate on: a prepared split."""

    @property
    def images(self) -> npt.NDArray[np.uint8]: ...
    @property
    def labels(self) -> npt.NDArray[Any]: ...
    @property
    def scale(self) -> float: ...


@dataclass(frozen=True)
class Trainee:
    """Something that can be trained.

    ``objective`` maps real images, float32 ``(n, h, w, c)``, the task's truth
    (an entry per image) and the teacher's outputs (``(n, 0)`` without a teacher)
    to the loss and the outputs, and is differentiated by ``variables``. ``infer``
    answers as the trained network will. ``state`` is all that training changes:
    ``variables``, statistics, states of random generators, and arrays that are
    changed in place.
    """

    variables: list[Any]
    objective: Callable[[Any, Any, Any], tuple[Any, Any]]
    infer: Inference
    state: list[Any]


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; ``number`` counts from 1."""

    number: int
    epochs: int
    metrics: Mapping[str, float]


def fit(
    tf: Any,
    keras: Any,
    trainee: Trainee,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    *,
    task: Task,
    seed: int,
    on_epoch: Callable[[Epoch], None],
    guide: Guide | None = None,
    after_step: Callable[[int], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train ``trainee`` in place, for ``task``.

    ``guide`` gives the teacher's outputs, float32 ``(n, outputs)``: an array with
    one row per training image, valid when nothing is augmented, or a function
    of a batch of stored images. ``after_step`` is called with the number of
    optimizer steps done; what it changes belongs to the trainee's ``state``.
    With a ``checkpoint`` an interrupted training goes on where that was
    written, to the same bits; ``on_epoch`` hears of every epoch all the same.

    Raises:
        DataError: the guide is not one row of outputs per training image.
        Finding: the loss stops being finite, which more training cannot mend.
    """
    count = len(train.images)
    if isinstance(guide, np.ndarray) and (guide.ndim != 2 or len(guide) != count):
        raise DataError(
            f"the teacher's logits must have one row for each of {count} images, but have the shape "
            f"{guide.shape}; they are of other images: run dvc repro"
        )
    schedule = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, total_steps(count, recipe))
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)
    optimizer.build(trainee.variables)
    image = tf.TensorSpec((None, *train.images.shape[1:]), tf.uint8)
    like = task.truth(train.images[:1], train.labels[:1], train.scale)

    @tf.function(
        input_signature=[
            image,
            tf.TensorSpec((None, *like.shape[1:]), like.dtype),
            tf.TensorSpec((None, None), tf.float32),
        ]
    )
    def step(images: Any, truth: Any, target: Any) -> Any:
        pixels = tf.cast(images, tf.float32) * tf.constant(train.scale, tf.float32)
        with tf.GradientTape() as tape:
            value, outputs = trainee.objective(pixels, truth, target)
        optimizer.apply(tape.gradient(value, trainee.variables), trainee.variables)
        return value, task.correct(tf, outputs, truth)

    shape, layers = train.images.shape[1:], None
    if recipe.augment:
        layers = keras_augmentation(tf, recipe.augment, shape, train.scale)
    state = [*trainee.state, *optimizer.variables]
    position = Position() if checkpoint is None else checkpoint.resume(state, recipe.epochs)
    for number, row in enumerate(position.rows, 1):
        on_epoch(Epoch(number, recipe.epochs, row))
    for epoch in range(len(position.rows), recipe.epochs):
        generator = np.random.default_rng([seed, epoch])
        order = generator.permutation(count)
        if position.generator is not None:
            generator.bit_generator.state = position.generator
        for start in range(position.seen, count, recipe.batch_size):
            chosen = order[start : start + recipe.batch_size]
            images = augment(train.images[chosen], shift=recipe.shift, flip=recipe.flip, generator=generator)
            images = images if layers is None else layers(images, generator)
            truth = task.truth(images, train.labels[chosen], train.scale)
            value, correct = step(images, truth, _target(guide, images, chosen))
            position.seen += len(chosen)
            position.loss += float(value) * len(chosen)
            position.correct += float(correct)
            if after_step is not None:
                after_step(epoch * steps_per_epoch(count, recipe) + start // recipe.batch_size + 1)
            if checkpoint is not None and checkpoint.due():
                position.generator = generator.bit_generator.state
                checkpoint.save(state, position)
        if not np.isfinite(position.loss):
            raise Finding(f"the loss is not finite in epoch {epoch + 1}; lower learning_rate and build again")
        metrics = {
            "loss": position.loss / count,
            "accuracy": position.correct / count,
            **_validate(task, trainee.infer, validation),
        }
        position = Position([*position.rows, metrics])
        on_epoch(Epoch(epoch + 1, recipe.epochs, metrics))
    if checkpoint is not None:
        checkpoint.end(state, position)


def _target(guide: Guide | None, images: Images, chosen: npt.NDArray[np.int64]) -> Outputs:
    if guide is None:
        return np.zeros((len(images), 0), np.float32)
    return guide[chosen] if isinstance(guide, np.ndarray) else guide(images)


def keras_trainee(tf: Any, model: Any, scale: float, loss: Loss) -> Trainee:
    """A Keras model from real images to outputs, trained on ``loss``; ``scale`` makes stored images real."""

    def objective(pixels: Any, truth: Any, target: Any) -> tuple[Any, Any]:
        outputs = model(pixels, training=True)
        return loss(tf, outputs, truth, target), outputs

    return Trainee(model.trainable_variables, objective, inference(tf, model, scale), model.variables)


def total_steps(images: int, recipe: Recipe) -> int:
    """Optimizer steps of a training on that many images."""
    return recipe.epochs * steps_per_epoch(images, recipe)


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Optimizer steps of an epoch; its last batch may be smaller."""
    return -(-images // recipe.batch_size)


def inference(tf: Any, model: Any, scale: float) -> Inference:
    """A function from stored images, uint8 ``(n, h, w, c)``, to outputs, float32 ``(n, outputs)``.

    It is traced once for every batch shape, so make it once and call it often.
    """

    @tf.function(reduce_retracing=True)
    def infer(images: Any) -> Any:
        return model(tf.cast(images, tf.float32) * tf.constant(scale, tf.float32), training=False)

    def run(images: Images, batch_size: int = BATCH) -> Outputs:
        batch_size = min(batch_size, rows_of(images.shape, BATCH_BYTES))
        starts = range(0, len(images), batch_size)
        return np.concatenate([infer(images[start : start + batch_size]).numpy() for start in starts])

    return run


def _validate(task: Task, infer: Inference, validation: Examples) -> Mapping[str, float]:
    """Mean loss and figure of the task over the validation images, which are read batch by batch."""
    parts: list[tuple[Answers, Answers]] = []
    for start in range(0, len(validation.images), BATCH):
        chosen = slice(start, start + BATCH)
        images = validation.images[chosen]
        truth = task.truth(images, validation.labels[chosen], validation.scale)
        parts.append(task.validate(infer(images), truth))
    losses, figures = (np.concatenate(values) for values in zip(*parts, strict=True))
    return {"val_loss": float(losses.mean()), "val_accuracy": float(figures.mean())}
