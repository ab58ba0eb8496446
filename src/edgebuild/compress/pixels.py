"""What range of pixels a network was trained on: known by name, and found out from how well it answers.

In the same way it is found out in which units a regression answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import UsageError
from edgebuild.train.judge import figures, is_chance, order_of
from edgebuild.train.loop import Examples

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["INPUTS", "fitting", "in_units_of_outputs", "judge_range", "prepared"]

Floats = npt.NDArray[np.float32]

#: Examples that ranges of pixels are tried on, and how many at once.
TRIED, BATCH = 500, 50
#: By how much a figure must rise with another range for the stated one to be wrong, and in standard errors.
RISE, ERRORS = 0.1, 4.0

#: Mean and deviation of ImageNet's pixels in [0, 1], red, green, blue: the constants of torchvision and of
#: keras.applications.imagenet_utils (mode "torch"). Mode "caffe" subtracts MEAN_BYTES of bytes.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
MEAN_BYTES = (123.68, 116.779, 103.939)

#: What a network may expect → scale and offset of a pixel in [0, 1], one for all channels or one for each.
INPUTS: Mapping[str, tuple[Sequence[float], Sequence[float]]] = {
    "unit": ((1.0,), (0.0,)),
    "byte": ((255.0,), (0.0,)),
    "signed": ((2.0,), (-1.0,)),
    "imagenet": (
        tuple(1 / deviation for deviation in DEVIATION),
        tuple(-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)),
    ),
    "caffe": ((255.0,) * 3, tuple(-mean for mean in MEAN_BYTES)),
}


def fitting(channels: int) -> tuple[str, ...]:
    """The inputs that images of so many channels can be turned into."""
    return tuple(name for name, (scale, _) in INPUTS.items() if len(scale) in (1, channels))


def prepared(images: Floats, takes: str) -> Floats:
    """Real images, float32 ``(n, h, w, c)`` in [0, 1], as a network that ``takes`` such an input wants them."""
    scale, offset = (np.asarray(numbers, np.float32) for numbers in INPUTS[takes])
    changed = images * scale + offset
    return np.ascontiguousarray(changed[..., ::-1]) if takes == "caffe" else changed


def judge_range(
    model: Any, name: str, task: Task, takes: str, examples: Examples, classes: Sequence[str]
) -> tuple[str, ...]:
    """What is odd about how a network in the file ``name`` answers on some examples, a warning each.

    ``model`` takes pixels in [0, 1] and feeds the file's network what ``takes`` says.

    Raises:
        UsageError: it is much better with pixels of another range.
    """
    some = _some(examples)
    given = _outputs(model, some, takes, takes)
    own = figures(task, given, some)[1]
    # A figure is at most 1, so no other range can be better by RISE where this one is good.
    others = fitting(some.images.shape[3]) if own.mean() + RISE < 1 else (takes,)
    values = {other: figures(task, _outputs(model, some, takes, other), some)[1] for other in others}
    best = max(values, key=lambda other: float(values[other].mean()))
    rise = values[best] - own
    if rise.mean() > max(RISE, ERRORS * float(rise.std()) / np.sqrt(len(rise))):
        raise UsageError(
            f"teacher.input: {name} has {task.figure} {own.mean():.4f} on {len(own)} validation images with pixels as "
            f"{takes!r} says, but {values[best].mean():.4f} with {best!r}; write `input: {best}` under teacher in "
            f"params.yaml"
        )
    if task.kind == "classification" and (order := order_of(given, some.labels, RISE)):
        return (
            f"{name} has {task.figure} {own.mean():.4f} on {len(own)} validation images, and seems to have the classes "
            f"in another order: {', '.join(classes[place] for place in order)}; the data's are {', '.join(classes)}; "
            f"permute the last layer of the file, or rename the data's classes so",
        )
    if is_chance(task, given, some):
        return (
            f"{name} has {task.figure} {own.mean():.4f} on {len(own)} validation images, which is no better than "
            f"guessing, nor much better with other ranges of pixels ({', '.join(values)}); was it trained on "
            f"these classes, in this order?",
        )
    return ()


def in_units_of_outputs(model: Any, task: Task, examples: Examples) -> bool:
    """Whether a regression gives standardized targets already, as networks of this build do, and not real ones."""
    some = _some(examples)
    given = _outputs(model, some, "unit", "unit")
    scale, offset = (np.asarray(numbers, np.float32) for numbers in zip(*task.units, strict=True))
    as_given, as_real = (
        figures(task, outputs, some)[0].mean() for outputs in (given, (given - offset) / scale)
    )
    return bool(as_given < as_real)


@dataclass(frozen=True)
class _Some:
    """Examples that stand evenly over a split."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]
    scale: float


def _some(examples: Examples) -> _Some:
    chosen = np.linspace(0, len(examples.images) - 1, min(TRIED, len(examples.images))).astype(np.int64)
    return _Some(examples.images[chosen], examples.labels[chosen], examples.scale)


def _outputs(model: Any, some: _Some, takes: str, other: str) -> Floats:
    """What the model gives, ``(n, outputs)``, if the file's network is fed pixels as ``other`` says."""
    scale, offset = (np.asarray(numbers, np.float32) for numbers in INPUTS[takes])
    parts = []
    for start in range(0, len(some.images), BATCH):
        images = some.images[start : start + BATCH].astype(np.float32) * np.float32(some.scale)
        wanted = prepared(images, other)
        seen = ((wanted[..., ::-1] if takes == "caffe" else wanted) - offset) / scale
        parts.append(np.asarray(model(seen, training=False)))
    return np.concatenate(parts)
