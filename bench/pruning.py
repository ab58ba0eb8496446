"""What a smaller network costs and gains: channels cut away against weights set to zero, from one trained network.

    python -m bench.pruning                      # half of the MACs, half of the weights, 3 epochs of recovery
    python -m bench.pruning --keep 0.3 --epochs 10 --methods taylor-global zeros-layer
    python -m bench.pruning --model models/teacher-keras-fp32.keras --methods whole taylor-global

Reads data/ and the student of a built repository. Every method starts from the same network and recovers for the
same number of steps on labels and the teacher's kept logits, without augmentation; "whole" goes on training as long
uncut. "retrained" is a student of the width that has about as many MACs, trained from scratch for as many epochs:
what pruning has to beat. Times are medians of interleaved rounds, one thread, each file in a process of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from edgebuild.compress import prune
from edgebuild.compress.channels.cut import cut
from edgebuild.compress.distill import read_logits
from edgebuild.data.split import Split
from edgebuild.formats import keras as keras_format
from edgebuild.formats.registry import open_writer
from edgebuild.graph.count import count
from edgebuild.graph.freeze import freeze
from edgebuild.measure import isolated
from edgebuild.params import read
from edgebuild.tasks.classification import Classification
from edgebuild.train import backend
from edgebuild.train.loop import fit, inference, keras_trainee, total_steps
from edgebuild.train.losses import distillation
from edgebuild.zoo.ds_cnn import ds_cnn

CUTS = ("taylor-global", "taylor-uniform", "magnitude-global", "magnitude-uniform")
ZEROS = {"zeros-layer": "layer", "zeros-global": "global", "zeros-2:4": "two_four"}
METHODS = ("whole", *CUTS, *ZEROS, "retrained")
RUNTIMES = {"litert": "tflite", "onnx": "onnx"}


@dataclass
class Row:
    """One network; times are medians over rounds, microseconds."""

    method: str
    accuracy: float
    macs: int
    parameters: int
    zeros: float
    gzip_bytes: int
    p50: dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    root, params = options.root, read(options.root / "params.yaml")
    given = params.prune
    train, validation, test = (
        Split.read(root / f"data/{name}.npz") for name in ("train", "validation", "test")
    )
    logits = read_logits(root / "data/teacher-logits.npy")
    tf, keras = backend.load(params.seed, params.threads)
    loss = distillation(given.temperature, given.alpha)
    recipe = SimpleNamespace(
        epochs=options.epochs, batch_size=given.batch_size, learning_rate=given.learning_rate,
        weight_decay=given.weight_decay, shift=0, flip=False, augment="",
    )  # fmt: skip

    def trained(model: Any, after_step: Callable[[int], None] | None = None) -> Any:
        trainee = keras_trainee(tf, model, train.scale, loss)
        fit(
            tf, keras, trainee, train, validation, recipe,
            task=Classification(), seed=params.seed, on_epoch=lambda epoch: None, guide=logits, after_step=after_step,
        )  # fmt: skip
        return model

    def network() -> Any:
        return keras_format.load_model(keras, root / options.model)

    def make(method: str) -> Any:
        if method == "whole":
            return trained(network())
        if method == "retrained":
            size = params.student
            width = max(8, 8 * round(size.width * options.keep**0.5 / 8))
            new = ds_cnn(
                keras, train.images.shape[1:], len(train.classes), width=width, blocks=size.blocks,
                stages=size.stages, stem_stride=size.stem_stride,
            )  # fmt: skip
            return trained(new)
        model = network()
        if method in ZEROS:
            ramp = round(given.ramp * total_steps(len(train), recipe))
            scheme = prune.SCHEMES[ZEROS[method]]
            pruner = prune.Pruner(prune.prunable(model), 0.5, ramp, given.frequency, scheme)
            return trained(model, pruner)
        importance, spread = method.split("-")
        how = SimpleNamespace(
            importance=importance, spread=spread, multiple=given.multiple, batch_size=recipe.batch_size
        )
        return trained(
            cut(tf, model, how, options.keep, task=Classification(), train=train, logits=logits, loss=loss)
        )

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files: dict[tuple[str, str], Path] = {}
        for method in options.methods:
            print(f"{method} ...", file=sys.stderr, flush=True)
            model = make(method)
            graph = freeze(model, train.classes, train.scale)
            for runtime, ending in RUNTIMES.items():
                files[method, runtime] = Path(folder) / f"{method.replace(':', '')}.{ending}"
                open_writer(runtime).write(graph, files[method, runtime])
            answers = inference(tf, model, test.scale)(test.images).argmax(1)
            facts = count(graph)
            zeros = prune.sparsity(prune.prunable(model))
            packed = len(gzip.compress(files[method, "litert"].read_bytes(), 9, mtime=0))
            accuracy = float(np.mean(answers == test.labels))
            rows.append(Row(method, accuracy, facts.macs, facts.parameters, zeros, packed, {}))
        times = _times(files, test.images.shape[1:], options.rounds)
    for row in rows:
        row.p50 = {runtime: times[row.method, runtime] for runtime in RUNTIMES}
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 0


def _times(files: dict[tuple[str, str], Path], shape: Any, rounds: int) -> dict[tuple[str, str], float]:
    seen: dict[tuple[str, str], list[float]] = {key: [] for key in files}
    for _ in range(rounds):
        for key, path in files.items():
            measured = isolated.run(key[1], path, shape, threads=1, warmup=50, runs=1000)
            assert measured.latency is not None, measured.not_run
            seen[key].append(measured.latency.p50)
    return {key: statistics.median(values) for key, values in seen.items()}


def table(rows: list[Row]) -> str:
    """Markdown, a row per method, in the order given."""
    lines = [
        "| method | accuracy % | MACs | parameters | zeros % | gzip KiB (.tflite) | LiteRT p50 µs | ORT p50 µs |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        cells = [
            f"{100 * row.accuracy:.2f}", f"{row.macs:,}", f"{row.parameters:,}", f"{100 * row.zeros:.1f}",
            f"{row.gzip_bytes / 1024:.1f}", *(f"{row.p50[runtime]:.1f}" for runtime in RUNTIMES),
        ]  # fmt: skip
        lines.append(f"| {row.method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m bench.pruning",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", type=Path, default=Path(), help="a built repository (default: this folder)")
    parser.add_argument(
        "--model",
        type=Path,
        default=Path("models/student-keras-fp32.keras"),
        help="what is pruned (default: %(default)s)",
    )
    parser.add_argument("--keep", type=float, default=0.5, help="share of the MACs that cuts leave")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5, help="of timing, interleaved over all files")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--json", type=Path, help="write every number to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
