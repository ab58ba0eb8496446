"""Does distillation earn its place? The same student, trained on labels alone and with the teacher, over several seeds.

    python -m bench.distillation                     # what params.yaml says, 3 seeds, 10 epochs
    python -m bench.distillation --methods labels response attention hint --epochs 20

Reads data/ and the teacher of a built repository. Every method takes the same number of optimizer steps from the
same initial weights and in the same order of batches; the teacher's share of the loss is all that differs. Images
are not augmented. The numbers are accuracies on the test split, which nothing was chosen by.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgebuild.compress.features import KINDS, feature_trainee
from edgebuild.compress.teacher import open_teacher
from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.params import read
from edgebuild.tasks.classification import Classification
from edgebuild.train import backend
from edgebuild.train.loop import fit, inference, keras_trainee
from edgebuild.train.losses import distillation
from edgebuild.zoo.ds_cnn import ds_cnn

METHODS = ("labels", "response", *KINDS)


@dataclass(frozen=True)
class Recipe:
    """A training without augmentation."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    shift: int = 0
    flip: bool = False
    augment: str = ""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    params = read(options.root / "params.yaml")
    recipe = Recipe(
        options.epochs, params.distill.batch_size, params.distill.learning_rate, params.distill.weight_decay
    )
    train, validation, test = (
        Split.read(options.root / f"data/{name}.npz") for name in ("train", "validation", "test")
    )
    tf, keras = backend.load(params.seed, params.threads)
    path, task = options.root / params.distill.teacher, Classification()
    shape = train.images.shape[1:]
    ask = open_teacher(
        tf,
        keras,
        path,
        task=task,
        scale=train.scale,
        shape=shape,
        classes=train.classes,
        threads=params.threads,
    )
    guide = ask(train.images)
    accuracies: dict[str, list[float]] = {method: [] for method in options.methods}
    for seed in range(1, options.seeds + 1):
        for method in options.methods:
            start = time.monotonic()
            keras.utils.set_random_seed(seed)
            given = params.student
            student = ds_cnn(
                keras,
                shape,
                len(train.classes),
                width=given.width,
                blocks=given.blocks,
                stages=given.stages,
                stem_stride=given.stem_stride,
            )
            trainee = _trainee(tf, keras, student, path, train.scale, method, params.distill)
            fit(
                tf,
                keras,
                trainee,
                train,
                validation,
                recipe,
                task=task,
                seed=seed,
                on_epoch=lambda epoch: None,
                guide=guide,
            )
            logits = inference(tf, student, test.scale)(test.images)
            accuracies[method].append(float(np.mean(logits.argmax(1) == test.labels)))
            took = time.monotonic() - start
            print(
                f"seed {seed}, {method}: {accuracies[method][-1]:.4f} ({took:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
    document = {
        "dataset": params.data.source,
        "test_images": len(test),
        "student_parameters": student.count_params(),
        "epochs": recipe.epochs,
        "temperature": params.distill.temperature,
        "alpha": params.distill.alpha,
        "accuracy": accuracies,
    }
    print(table(accuracies))
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def _trainee(tf: Any, keras: Any, student: Any, path: Path, scale: float, method: str, given: Any) -> Any:
    alpha = 0.0 if method == "labels" else given.alpha
    loss = distillation(given.temperature, alpha)
    if method not in KINDS:
        return keras_trainee(tf, student, scale, loss)
    teacher = keras_format.load_model(keras, path)
    return feature_trainee(tf, keras, student, teacher, scale=scale, loss=loss, kind=method, beta=given.beta)


def table(accuracies: dict[str, list[float]]) -> str:
    """Markdown: each seed, the mean, the standard deviation, and the gain over labels alone."""
    seeds = len(next(iter(accuracies.values())))
    lines = [
        "| method | " + " | ".join(f"seed {seed}" for seed in range(1, seeds + 1)) + " | mean | sd | gain |",
        "| :-- |" + " --: |" * (seeds + 3),
    ]
    base = accuracies.get("labels")
    for method, values in accuracies.items():
        spread = f"{100 * statistics.stdev(values):.2f}" if seeds > 1 else "–"
        gain = "–"
        if base is not None and method != "labels":
            gain = f"{100 * (statistics.mean(values) - statistics.mean(base)):+.2f}"
        cells = [
            *(f"{100 * value:.2f}" for value in values),
            f"{100 * statistics.mean(values):.2f}",
            spread,
            gain,
        ]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(), help="a built repository (default: this folder)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["labels", "response"])
    parser.add_argument("--json", type=Path, help="write every accuracy to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
