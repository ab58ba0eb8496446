"""A training that is interrupted after every single step, and goes on each time from its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from edgebuild.tasks.classification import Classification
from edgebuild.train import checkpoint as module
from edgebuild.train.checkpoint import Checkpoint, Checkpoints
from edgebuild.train.loop import Epoch, Trainee, fit, total_steps

__all__ = ["assert_resumes_to_the_same_bits", "every_step"]

#: A trainee made from a seed, and what is called after each of its steps.
Make = Callable[[int], tuple[Trainee, Callable[[int], None]]]


class Killed(Exception):
    """Instead of SIGKILL."""


def every_step(folder: Path, said: list[str]) -> Checkpoint:
    """A checkpoint that is written after every step, and whose warnings are failures."""
    return Checkpoints(folder, said.append, _fail, every_s=0.0).of("student")


@patch.object(module, "PARTS", 0)  # it would save the time of most
def assert_resumes_to_the_same_bits(
    backend: tuple[Any, Any], make: Make, data: Any, recipe: Any, folder: Path, guide: Any = None
) -> None:
    """Train once in one go and once with an interruption after every step; all that training changes is equal.

    Each process that goes on begins with other weights, so nothing is equal by chance.
    """
    tf, keras = backend
    steps = total_steps(len(data.images), recipe)

    def run(seed: int, stop: int | None, checkpoint: Any) -> tuple[list[Any], list[Epoch]]:
        trainee, after_step = make(seed)
        epochs: list[Epoch] = []

        def after(done: int) -> None:
            after_step(done)
            if done == stop:
                raise Killed

        fit(
            tf, keras, trainee, data, data, recipe, task=Classification(), seed=4, on_epoch=epochs.append,
            guide=guide, after_step=after, checkpoint=checkpoint,
        )  # fmt: skip
        return [np.array(entry) for entry in trainee.state], epochs

    expected, curve = run(1, None, None)
    said: list[str] = []
    for stop in range(1, steps + 2):
        try:
            found, epochs = run(1 if stop <= 2 else 100 + stop, stop, every_step(folder, said))
        except Killed:
            continue
    # The first was killed before its first save, so the second began anew, and from there each did one step.
    assert len(said) == steps - 1
    assert epochs == curve
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def _fail(text: str) -> None:
    raise AssertionError(text)
