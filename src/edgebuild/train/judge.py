"""How good a network is that is not trained here: the same figures as after an epoch, and whether it knows the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgebuild.train.loop import BATCH, Epoch, Examples, Inference

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["figures", "is_chance", "judged", "order_of", "outputs_of"]

#: Standard errors by which right answers must be more frequent than with truths of other examples.
ERRORS = 3.0

Values = npt.NDArray[np.floating]
Outputs = npt.NDArray[np.float32]


def outputs_of(infer: Inference, examples: Examples) -> Outputs:
    """What the network gives for all the images, float32 ``(n, outputs)``, read batch by batch."""
    starts = range(0, len(examples.images), BATCH)
    return np.concatenate([infer(examples.images[start : start + BATCH]) for start in starts])


def figures(
    task: Task, outputs: Outputs, examples: Examples, seed: int | None = None
) -> tuple[Values, Values]:
    """The task's loss and figure per example, ``(n,)`` each, of the outputs ``(n, outputs)``.

    With a ``seed`` every example is judged by the truth of another, at random.
    """
    count = len(outputs)
    order = np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)
    parts = []
    for start in range(0, count, BATCH):
        chosen = order[start : start + BATCH]
        truth = task.truth(examples.images[chosen], examples.labels[chosen], examples.scale)
        parts.append(task.validate(outputs[start : start + BATCH], truth))
    losses, found = (np.concatenate(values) for values in zip(*parts, strict=True))
    return losses, found


def judged(
    task: Task, infer: Inference, train: Examples, validation: Examples, known: Outputs | None = None
) -> Epoch:
    """Epoch 0 of a training that does not take place: mean loss and figure of a network on both splits.

    ``known`` is what it gives for the training images, where that has been computed.
    """
    metrics: dict[str, float] = {}
    for prefix, examples, outputs in (("", train, known), ("val_", validation, None)):
        losses, found = figures(task, outputs_of(infer, examples) if outputs is None else outputs, examples)
        metrics |= {f"{prefix}loss": float(losses.mean()), f"{prefix}accuracy": float(found.mean())}
    return Epoch(0, 1, metrics)


def is_chance(task: Task, outputs: Outputs, examples: Examples) -> bool:
    """Whether the outputs are no better by the truths of their own examples than by those of others.

    A permutation test of the figure's mean, with one permutation and the normal
    approximation of its difference: whoever always says the same is at chance,
    unless that is always right.
    """
    _, own = figures(task, outputs, examples)
    _, other = figures(task, outputs, examples, seed=0)
    difference = own - other
    error = ERRORS * difference.std() / np.sqrt(len(difference))
    return bool(own.mean() < 1 and difference.mean() <= error)


def order_of(outputs: Outputs, labels: npt.NDArray[Any], gain: float) -> list[int] | None:
    """The class that each output of a classification seems to stand for, where that is another order.

    None where every output stands for its own class, where no one-to-one order
    can be told, and where it would not make most answers right and ``gain`` more of them.
    """
    count = outputs.shape[1]
    seen = np.zeros((count, count), np.int64)
    np.add.at(seen, (outputs.argmax(axis=1), labels), 1)
    order = seen.argmax(axis=1)
    found = seen[np.arange(count), order].sum() / len(labels)
    clear = found > 0.5 and found - np.trace(seen) / len(labels) > gain
    return order.tolist() if clear and sorted(order) == list(range(count)) else None
