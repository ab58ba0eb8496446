"""A small build as the report sees it: real parts, made-up answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgebuild.data.split import Split
from edgebuild.graph.count import Counts
from edgebuild.graph.ir import Graph, Grid, Node, Weight
from edgebuild.measure.latency import Latency
from edgebuild.measure.layers import Layer
from edgebuild.measure.measurement import Measurement
from edgebuild.measure.size import FileFacts
from edgebuild.measure.summary import latency_table, summary
from edgebuild.params import read
from edgebuild.params.cost import Cost
from edgebuild.report.evidence import Evidence
from edgebuild.tasks.classification import Classification
from edgebuild.variant import Variant

ROOT = Path(__file__).parents[2]
IMAGES = 60
CLASSES = ("cat", "dog", "<script>alert(1)</script>")

HOST = {"cpu": "CPU <1>", "cores": 2, "os": "Linux", "python": "3.11", "packages": {"numpy": "2", "x": None}}

#: id → bytes, p50 in µs, and how many of the images it gets wrong (the first ones)
BUILT: dict[str, tuple[int, float | None, int]] = {
    "teacher-keras-fp32": (900_000, 500.0, 2),
    "pruned-keras-fp32": (50_000, 300.0, 2),
    "teacher-litert-fp32": (800_000, 40.0, 2),
    "pruned-litert-fp32": (20_000, 8.0, 2),
    "pruned-litert-int8": (8_000, 2.0, 3),
    "pruned-onnx-w8": (9_000, 4.0, 2),
    "pruned-onnx-int8": (7_000, 3.9, 60),
    "pruned-coreml-int8": (12_000, None, 3),
}


def answers(wrong: int, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Logits that take the first ``wrong`` images for the next class, surer with each image."""
    taken = np.where(np.arange(len(labels)) < wrong, (labels + 1) % len(CLASSES), labels)
    logits = np.zeros((len(labels), len(CLASSES)), np.float32)
    logits[np.arange(len(labels)), taken] = np.linspace(1.0, 6.0, len(labels))
    return logits


def graph(precision: str) -> Graph:
    integer = precision == "int8"
    grid = Grid(0.1, 0) if integer else None

    def weights(*shape: int, axis: int) -> dict[str, Weight]:
        channels = shape[axis]
        if not integer:
            return {
                "kernel": Weight(np.ones(shape, np.float32), axis=axis),
                "bias": Weight(np.ones(channels, np.float32)),
            }
        scale = np.ones(channels, np.float32)
        return {
            "kernel": Weight(np.ones(shape, np.int8), scale, axis),
            "bias": Weight(np.ones(channels, np.int32), scale),
        }

    return Graph(
        (
            Node("image", "input", (), (4, 4, 1), grid=grid),
            Node(
                "stem", "conv2d", ("image",), (4, 4, 2), padding="same",
                weights=weights(3, 3, 1, 2, axis=3), grid=grid,
            ),
            Node("pool", "global_average_pool", ("stem",), (2,), grid=grid),
            Node("logits", "dense", ("pool",), (3,), weights=weights(2, 3, axis=1), grid=grid),
        ),
        precision,
        CLASSES,
    )  # fmt: skip


@pytest.fixture(scope="session")
def cost() -> Cost:
    """The assumptions that the repository ships."""
    return read(ROOT / "params.yaml").cost


@pytest.fixture(scope="session")
def build(cost: Cost) -> Callable[..., Evidence]:
    """A build of :data:`BUILT`, or with other entries; None leaves one out."""

    def make(**changes: tuple[int, float | None, int] | None) -> Evidence:
        changed = {name.replace("_", "-"): entry for name, entry in changes.items()}
        built = {name: entry for name, entry in (BUILT | changed).items() if entry is not None}
        rng = np.random.default_rng(0)
        labels = np.arange(IMAGES) % len(CLASSES)
        test = Split(rng.integers(0, 17, (IMAGES, 4, 4, 1), np.uint8), labels, 1 / 16, CLASSES)
        variants = [Variant.parse(name) for name in built]
        logits = {name: answers(wrong, labels) for name, (_, _, wrong) in built.items()}
        exported = [variant for variant in variants if variant.format != "keras"]
        verdict: dict[str, Any] = {"labels": 1.0, "equal": None, "steps": None}
        return Evidence(
            summary=summary(
                variants,
                task=Classification(),
                dataset={"name": "pets & <b>co</b>", "sha256": "0" * 64, "train_images_in_test": 0},
                reference="teacher-keras-fp32",
                sources={variant.id: f"{variant.model}-keras-fp32" for variant in exported},
                labels=labels,
                predictions=logits,
                files={name: FileFacts("0" * 64, size, size * 3 // 4) for name, (size, _, _) in built.items()},
                counts=dict.fromkeys(built, Counts(29, 29, 294)),
                verdicts={variant.id: verdict for variant in exported},
            ),
            latency=latency_table(
                variants,
                host=HOST,
                measurements={name: measurement(p50) for name, (_, p50, _) in built.items()},
            ),
            task=Classification(),
            test=test,
            logits=logits,
            graphs={precision: graph(precision) for precision in ("fp32", "int8")},
            sensitivity=[Layer("logits", "dense", 0.0, 1e-3, True), Layer("stem", "conv2d", 0.0, 1e-5, False)],
            cost=cost,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def evidence(build: Callable[..., Evidence]) -> Evidence:
    return build()


@pytest.fixture
def on(evidence: Evidence) -> Callable[..., Evidence]:
    """The build with other assumptions."""
    return lambda **changes: replace(evidence, cost=replace(evidence.cost, **changes))


def measurement(p50: float | None) -> Measurement:
    if p50 is None:
        return Measurement(1, None, None, None, None, "only on another system")
    return Measurement(1, Latency(p50, p50, p50, p50, 100, 1), 1.0, 2.0, 10**7, None)
