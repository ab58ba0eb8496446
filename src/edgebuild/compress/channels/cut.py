"""One cut: score the channels of a model, choose what stays for a share of its cost, make the smaller model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from edgebuild.compress.channels.analyse import analyse
from edgebuild.compress.channels.choose import choose
from edgebuild.compress.channels.cost import channel_macs, macs
from edgebuild.compress.channels.importance import magnitude, taylor
from edgebuild.compress.channels.layout import Keep
from edgebuild.compress.channels.shrink import shrink
from edgebuild.train.loop import Examples
from edgebuild.train.losses import Loss

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["Cut", "Seen", "cut", "share_of_round"]

#: Batches of training images that the first-order importance is summed over.
BATCHES = 16

#: Real images (n, h, w, c), the task's truth (n, ...), the teacher's outputs (n, outputs).
Seen = tuple[npt.NDArray[np.float32], npt.NDArray[Any], npt.NDArray[np.float32]]


class Cut(Protocol):
    """How to cut: the part of params.yaml's prune section that says it."""

    @property
    def importance(self) -> str: ...
    @property
    def spread(self) -> str: ...
    @property
    def multiple(self) -> int: ...
    @property
    def batch_size(self) -> int: ...


def cut(
    tf: Any,
    model: Any,
    how: Cut,
    share: float,
    *,
    task: Task,
    train: Examples,
    logits: npt.NDArray[np.float32],
    loss: Loss,
    time: Callable[[Any], float] | None = None,
) -> Any:
    """A smaller model that costs at most ``share`` of ``model``, which stays as it is.

    Args:
        task: gives the truth, and
        logits: the teacher's outputs, a row per training image, for the loss that "taylor" differentiates.
        time: what a model costs; by default its multiply-accumulates.

    Raises:
        UsageError: as :func:`edgebuild.compress.channels.choose.choose`.
    """
    layout = analyse(model)
    if how.importance == "taylor":
        scores = taylor(tf, model, layout, _batches(task, train, logits, how.batch_size), loss=loss)
    else:
        scores = magnitude(layout)

    def cost(keep: Keep) -> float:
        return macs(layout, keep) if time is None else time(shrink(model, layout, keep))

    # First-order scores are losses, to be weighed against what a channel costs; relative sizes are not.
    prices = channel_macs(layout) if how.importance == "taylor" else None
    target = share * cost({})
    keep = choose(layout, scores, cost, target, spread=how.spread, multiple=how.multiple, prices=prices)
    return shrink(model, layout, keep)


def share_of_round(keep: float, rounds: int) -> float:
    """The share of its cost that a model keeps in each of ``rounds`` equal cuts that together leave ``keep``."""
    return float(keep ** (1 / rounds))


def _batches(task: Task, train: Examples, logits: npt.NDArray[np.float32], size: int) -> Iterator[Seen]:
    """Images that stand evenly over the training split."""
    count = min(BATCHES * size, len(train.images))
    chosen = np.linspace(0, len(train.images) - 1, count).astype(np.int64)
    for part in np.split(chosen, range(size, count, size)):
        yield (
            train.images[part].astype(np.float32) * np.float32(train.scale),
            task.truth(train.images[part], train.labels[part], train.scale),
            logits[part],
        )
