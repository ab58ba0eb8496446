"""Adopt a network that others trained: its file becomes the build's teacher, as it is.

It is refused before anything else happens where its images, its outputs or its
layers do not fit, with every reason at once. What was adopted answers as the
file itself does in its own runtime; then it is judged on the validation split,
where a wrong range of pixels shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgebuild.compress.foreign import foreign
from edgebuild.compress.pixels import fitting, in_units_of_outputs, judge_range, prepared
from edgebuild.compress.rewire import ending_of, rewired, standardized
from edgebuild.compress.teacher import kind_of, open_file
from edgebuild.errors import DataError, GraphError, ParityError
from edgebuild.formats import keras as keras_format
from edgebuild.graph.calls import Call, calls
from edgebuild.graph.supported import SUPPORTED, refusals_of
from edgebuild.importers.registry import open_network
from edgebuild.train.loop import Examples

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["Adopted", "adopt"]

Floats = npt.NDArray[np.float32]
Shape = tuple[int, int, int]

#: Validation images on which file and adopted network are compared.
COMPARED = 64
#: Largest difference between the two, relative to the largest answer: both add in float32, in another order.
DIFFERENCE = 1e-3

#: Endings that are taken away, by task: there the outputs are logits.
ENDINGS = {"classification": ("softmax",), "multilabel": ("sigmoid",)}


@dataclass(frozen=True)
class Adopted:
    """The Keras model from images in [0, 1] to the task's outputs, what was done to it, and what is odd about it."""

    model: Any
    changes: tuple[str, ...]
    warnings: tuple[str, ...]


def adopt(
    tf: Any,
    keras: Any,
    path: Path,
    *,
    task: Task,
    takes: str,
    validation: Examples,
    classes: Sequence[str],
    threads: int,
) -> Adopted:
    """The network in ``path``, whose pixels are as ``takes`` says: a key of :data:`edgebuild.compress.pixels.INPUTS`.

    Raises:
        UsageError: a file of another kind, or its pixels are not as ``takes`` says.
        DataError: the file is missing, damaged, or needs code that it does not hold.
        GraphError: images, outputs or layers do not fit.
        ParityError: the adopted network does not answer as the file does.
    """
    height, width, channels = validation.images.shape[1:]
    shape = (height, width, channels)
    outputs = task.outputs(shape, classes)
    kind = kind_of(path, "teacher.file")
    model = _load(keras, path) if kind == ".keras" else open_network(keras, path, shape, final="", tf=tf)
    found = _calls(path, model, task)
    pair = _is_pair(task, found, outputs)
    without = ("sigmoid",) if pair else ENDINGS.get(task.kind, ())
    removed = ending_of(found) if ending_of(found) in without else "linear"
    if reasons := _reasons(found, shape, 1 if pair else outputs, takes):
        raise _refused(path, reasons)

    images = validation.images[:COMPARED].astype(np.float32) * np.float32(validation.scale)
    fed = prepared(images, takes)
    if kind == ".keras":
        expected = np.asarray(model(fed.reshape(len(fed), *_fed(found, shape)), training=False))
    else:
        expected = np.asarray(open_file(tf, path, shape, threads)(fed), np.float32)
    try:
        adopted = rewired(keras, found, shape, takes=takes, without=without, pair=pair)
    except GraphError as error:
        raise _refused(path, [str(error)]) from None
    if reasons := [reason for call in calls(adopted) for reason in refusals_of(call)]:
        raise _refused(path, reasons)
    _compare(path, expected.reshape(len(fed), -1), np.asarray(adopted(images, training=False)), removed, pair)

    changes = [f"{removed} taken away"] * (removed != "linear") + [f"pixels scaled ({takes})"] * (
        takes != "unit"
    )
    if task.units and not in_units_of_outputs(adopted, task, validation):
        adopted = standardized(keras, adopted, task.units)
        changes.append("targets standardized")
    warnings = judge_range(adopted, path.name, task, takes, validation, classes)
    return Adopted(adopted, tuple(changes), warnings)


def _load(keras: Any, path: Path) -> Any:
    """A .keras file, refused with the way out where it needs code that it does not hold."""
    if reasons := list(foreign(path)):
        listed = "\n  ".join(reasons)
        raise DataError(
            f"{path.name} cannot be adopted:\n  {listed}\nBuild the network from Keras' own layers, copy the weights "
            f"(set_weights) and save that; or let the file only teach: export it as ONNX for distill.teacher"
        )
    return keras_format.load_model(keras, path)


def _calls(path: Path, model: Any, task: Task) -> list[Call]:
    """What the network calls; a reconstruction stays flat, as this build's are."""
    try:
        found = calls(model)
    except GraphError as error:
        raise _refused(path, [str(error)]) from None
    folds = found[-1].kind == "Reshape" and len(found[-1].input_shapes[0]) == 1
    return found[:-1] if task.kind == "anomaly" and folds else found


def _refused(path: Path, reasons: Sequence[str]) -> GraphError:
    listed = "\n  ".join(reasons)
    known = ""
    if any("cannot be exported" in reason for reason in reasons):
        known = (
            f"\n(supported are {SUPPORTED}); a network of other layers can still teach, as the file that "
            f"distill.teacher names"
        )
    return GraphError(
        f"{path.name} cannot be adopted as the teacher; nothing was trained:\n  {listed}{known}"
    )


def _is_pair(task: Task, found: Sequence[Call], outputs: int) -> bool:
    """Whether two classes are told apart by one sigmoid of a dense layer."""
    if task.kind != "classification" or outputs != 2 or found[-1].shape != (1,):
        return False
    return ending_of(found) == "sigmoid" and (found[-1].kind == "Dense" or found[-2].kind == "Dense")


def _fed(found: Sequence[Call], shape: Shape) -> tuple[int, ...]:
    """In which shape the network reads images: as they are, flat, or without the one channel."""
    rank = len(found[0].shape)
    return (prod(shape),) if rank == 1 else shape[:rank]


def _reasons(found: Sequence[Call], shape: Shape, outputs: int, takes: str) -> list[str]:
    """Everything that keeps the network from being adopted, a line each."""
    taken, given = found[0].shape, found[-1].shape
    reasons = []
    open_sides = len(taken) in (1, 3) or (len(taken) == 2 and shape[2] == 1)
    fed = _fed(found, shape) if open_sides else shape
    if len(taken) != len(fed) or any(size not in (None, own) for size, own in zip(taken, fed, strict=True)):
        reasons.append(
            f"it takes images of shape {taken}, but the data have {shape}; change the images in the section data of "
            f"params.yaml, or export the network for them"
        )
    if given != (outputs,):
        reasons.append(
            f"it gives outputs of shape {given}, but this task and its data need {(outputs,)}; name data of the "
            f"classes that it was trained on"
        )
    if takes not in fitting(shape[2]):
        reasons.append(
            f"teacher.input: {takes} has numbers for three colours, but the images have {shape[2]} channel(s); "
            f"choose {' or '.join(fitting(shape[2]))}"
        )
    # Sizes that the file leaves open, and images without a channel, are as they should be in the adopted network,
    # which is asked again.
    fixed = [call for call in found if call.inputs or None not in call.shape]
    fixed = [call for call in fixed if all(len(read) != 2 for read in call.input_shapes)]
    return reasons + [reason for call in fixed for reason in refusals_of(call)]


def _compare(path: Path, expected: Floats, outputs: Floats, removed: str, pair: bool) -> None:
    """Hold the adopted network's answers, float32 ``(n, outputs)``, against the file's."""
    found = outputs.astype(np.float64)
    if removed == "softmax" or pair:
        powers = np.exp(found - found.max(axis=1, keepdims=True))
        found = (powers / powers.sum(axis=1, keepdims=True))[:, 1 if pair else 0 :]
    elif removed == "sigmoid":
        found = 1 / (1 + np.exp(-found))
    largest = max(1.0, float(np.abs(expected).max()))
    error = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
    if not error <= DIFFERENCE * largest:
        raise ParityError(
            f"the network adopted from {path.name} must answer as the file does, but is up to {error:.2g} off on "
            f"{len(outputs)} validation images, where {DIFFERENCE * largest:.2g} is allowed; please report this, "
            f"and name the file as distill.teacher meanwhile"
        )
