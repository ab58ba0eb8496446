"""Prepares, trains or calibrates on a data set larger than its memory; run by test_larger_than_memory.py.

``python larger.py PHASE FOLDER``. Once everything is imported, the process forbids
itself to grow: RLIMIT_DATA bounds what it may write to (heap and private mappings,
getrlimit(2)), which is where loaded images would lie. RLIMIT_AS would count the
mapped file, too, and some gigabytes of addresses that TensorFlow reserves and
never uses, so it says nothing of memory.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.data.split import Split
from edgebuild.sources.arrays import from_arrays
from edgebuild.sources.card import card
from edgebuild.sources.prepare import prepare

SHAPE = (128, 128, 3)
COUNT = 10_000  # 491 MB
GROWTH = {"prepare": 64, "train": 128, "calibrate": 128}  #: MB beyond what the imports take


@dataclass(frozen=True)
class Recipe:
    epochs: int = 1
    batch_size: int = 64
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    shift: int = 0
    flip: bool = False
    augment: str = ""


def memory() -> int:
    """Bytes of private writable memory: what RLIMIT_DATA counts."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData:")) * 1024


def limit(phase: str) -> None:
    bound = memory() + GROWTH[phase] * 10**6
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    print(f"{phase}: {bound / 1e6:.0f} MB allowed, {bound / 1e6 - GROWTH[phase]:.0f} taken by imports")


def examples() -> Any:
    """Images one by one, whose brightness tells their class."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 100, (16, *SHAPE), np.uint8)
    for number in range(COUNT):
        yield noise[number % 16] + np.uint8(100 * (number % 2))


def prepared(folder: Path) -> None:
    limit("prepare")
    source = from_arrays({"images": examples(), "labels": np.arange(COUNT) % 2}, "made up")
    splits = {}
    for name, draw in prepare(source, validation=500, calibration=500, test=1000, seed=1).items():
        draw.write(folder / f"{name}.npz")
        splits[name] = Split.read(folder / f"{name}.npz")
    assert card(splits, "made up")["splits"]["train"]["images"] == COUNT - 2000
    _refuse_the_whole(source.images)


def trained(folder: Path) -> None:
    from edgebuild.tasks.classification import Classification
    from edgebuild.train import backend
    from edgebuild.train.loop import fit, keras_trainee

    tf, keras = backend.load(1, 2)
    train, validation = (Split.read(folder / f"{name}.npz") for name in ("train", "validation"))
    limit("train")
    task, model, rows = Classification(), _network(keras), []
    trainee = keras_trainee(tf, model, train.scale, task.loss)
    fit(
        tf, keras, trainee, train, validation, Recipe(), task=task, seed=1, on_epoch=rows.append
    )  # fmt: skip
    assert len(rows) == 1
    _refuse_the_whole(train.images)
    model.save(folder / "net.keras")


def calibrated(folder: Path) -> None:
    from edgebuild.compress.ranges import calibration_images, observe
    from edgebuild.formats import keras as keras_format
    from edgebuild.graph.freeze import freeze
    from edgebuild.train import backend

    _, keras = backend.load(1, 2)
    test, calibration = (Split.read(folder / f"{name}.npz") for name in ("test", "calibration"))
    model = keras_format.load_model(keras, folder / "net.keras")
    limit("calibrate")
    graph = freeze(model, calibration.classes, calibration.scale)
    images = calibration_images(calibration, 100)
    assert observe(graph, images, ranges="minmax", percentile=99.9)
    assert sum(len(batch) for batch in test.batches(100)) == 1000
    try:
        test.real()  # 197 MB as floats
    except MemoryError:
        return
    raise AssertionError("the limit does not bite")


def _network(keras: Any) -> Any:
    inputs = keras.Input(SHAPE)
    found = keras.layers.Conv2D(4, 8, strides=8, activation="relu")(inputs)
    found = keras.layers.GlobalAveragePooling2D()(found)
    return keras.Model(inputs, keras.layers.Dense(2)(found))


def _refuse_the_whole(images: Any) -> None:
    """What would not be possible if the limit were none: to load the images."""
    try:
        whole: npt.NDArray[np.uint8] = np.array(images)
    except MemoryError:
        return
    raise AssertionError(f"the limit does not bite: {whole.nbytes} bytes were loaded")


if __name__ == "__main__":
    # The stack of each thread counts, 8 MB, and libraries start as many as there are processors.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    phase = {"prepare": prepared, "train": trained, "calibrate": calibrated}[sys.argv[1]]
    phase(Path(sys.argv[2]))
