"""Everything that the page is made of, read from a finished build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebuild.data.split import Split
from edgebuild.errors import DataError
from edgebuild.graph import file
from edgebuild.graph.ir import PRECISIONS, Graph
from edgebuild.json_file import read_json
from edgebuild.measure import layers
from edgebuild.measure.layers import Layer

if TYPE_CHECKING:
    from edgebuild.params.cost import Cost
    from edgebuild.tasks.task import Answers, Task

__all__ = ["Evidence", "read"]


@dataclass(frozen=True)
class Evidence:
    """One build. ``summary`` and ``latency`` are the documents in metrics/; ``logits`` are answers by variant id."""

    summary: Mapping[str, Any]
    latency: Mapping[str, Any]
    task: Task
    test: Split
    logits: Mapping[str, Answers]  #: float (n, k) each, the task's answers on the test split
    graphs: Mapping[str, Graph]  #: precision → the pruned network as frozen graph
    sensitivity: Sequence[Layer]
    cost: Cost

    @property
    def reference(self) -> str:
        """The id that all others are compared with: the teacher as trained."""
        return str(self.summary["reference"])

    @property
    def variants(self) -> dict[str, Mapping[str, Any]]:
        """The summary's entries by id, in its order."""
        return {entry["id"]: entry for entry in self.summary["variants"]}

    @property
    def times(self) -> dict[str, Mapping[str, Any]]:
        """The latencies' entries by id."""
        return {entry["id"]: entry for entry in self.latency["variants"]}

    def p50_us(self, name: str) -> float | None:
        """The median latency of a variant in µs; None where it was not run."""
        latency = self.times[name]["latency_us"]
        return None if latency is None else float(latency["p50"])

    def peer(self, name: str) -> Mapping[str, Any] | None:
        """The reference's network in the same format and fp32: what a file is fairly compared with."""
        model, kind = self.variants[self.reference]["model"], self.variants[name]["format"]
        return self.variants.get(f"{model}-{kind}-fp32")

    @property
    def integer(self) -> str | None:
        """The int8 file that is looked at closely: the device's if that is one, else the first."""
        found = [name for name, entry in self.variants.items() if entry["precision"] == "int8"]
        return self.cost.edge if self.cost.edge in found else found[0] if found else None

    @property
    def compared(self) -> tuple[str, ...]:
        """The ids shown side by side: the teacher, the pruned network, and it as integers."""
        pruned = next((name for name in self.variants if name == "pruned-keras-fp32"), None)
        return tuple(name for name in (self.reference, pruned, self.integer) if name is not None)


def read(root: Path, task: Task, cost: Cost) -> Evidence:
    """The build of ``task`` in the folder ``root``.

    Raises:
        DataError: a file of the build is missing or damaged, files are of
            different builds, or ``cost`` names a variant that was not built.
    """
    summary, latency = (read_json(root / "metrics" / f"{name}.json") for name in ("summary", "latency"))
    names = [entry["id"] for entry in summary["variants"]]
    for key, name in (("cloud", cost.cloud), ("edge", cost.edge)):
        if name not in names:
            raise DataError(
                f"cost.{key} of params.yaml is {name}, which metrics/summary.json has not: it has "
                f"{', '.join(names)}; name one of these, or build it with dvc repro"
            )
    sensitivity = root / "metrics/sensitivity.csv"
    _require(sensitivity)
    test = Split.read(root / "data/test.npz")
    shape = (len(test), task.width(test.classes))
    return Evidence(
        summary,
        latency,
        task,
        test,
        {name: _logits(root / "metrics/predictions" / f"{name}.npy", shape) for name in names},
        graphs(root / "models/graphs"),
        layers.read(sensitivity),
        cost,
    )


def graphs(folder: Path) -> dict[str, Graph]:
    """Precision → the pruned network in ``folder``, for the precisions that are there."""
    paths = {precision: folder / f"pruned-{precision}.safetensors" for precision in PRECISIONS}
    return {precision: file.read(path) for precision, path in paths.items() if path.is_file()}


def _logits(path: Path, shape: tuple[int, int]) -> Answers:
    _require(path)
    try:
        found: Answers = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} is no array: {error}; delete it and run dvc repro") from None
    if found.shape != shape:
        raise DataError(
            f"{path} must hold {shape[1]} answers for {shape[0]} examples as data/test.npz does, but its shape is "
            f"{found.shape}; both must be of one build: run dvc repro"
        )
    return found


def _require(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path} does not exist, so there is nothing to report; build it with dvc repro")
