"""What one build measured, as the gates read it: two documents of metrics/ and, where they are there, all answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError, Finding

if TYPE_CHECKING:
    from edgebuild.tasks.task import Answers, Labels, Task

__all__ = ["Results", "assemble"]

TEST = "data/test.npz"
#: Tasks whose quality is the share of examples that are answered rightly.
COUNTED = ("classification", "regression")
#: Enough for a standard error: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, section 6.4.
RESAMPLES = 200


@dataclass(frozen=True)
class Results:
    """One build.

    ``summary`` and ``latency`` are metrics/summary.json and metrics/latency.json.
    ``answers`` are those of the test examples by variant id, ``(n, k)``, and ``labels``
    the true ones; where any of them is missing, both are empty. ``machines`` says for
    variants, where it is known, which kind of machine timed them. ``comparable``: is
    the quality that of the task as it is stated now? Another revision may have stated another one.
    """

    summary: Mapping[str, Any]
    latency: Mapping[str, Any]
    task: Task
    answers: Mapping[str, Answers]
    labels: Labels
    machines: Mapping[str, str]
    comparable: bool = True
    _resampled: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict, repr=False)

    @property
    def reference(self) -> str:
        """The teacher as trained."""
        return str(self.summary["reference"])

    @property
    def examples(self) -> int:
        """How many test examples there are."""
        return int(self.summary["dataset"]["splits"]["test"]["images"])

    @property
    def test_set(self) -> str:
        """Which test examples they are: the digest of the split."""
        return str(self.summary["dataset"]["splits"]["test"]["sha256"])

    @property
    def kind(self) -> str:
        """The task that the summary is of; earlier versions knew but one."""
        return str(self.summary.get("task", "classification"))

    @property
    def counted(self) -> bool:
        """Is the quality a share of the examples?"""
        return self.kind in COUNTED

    @property
    def variants(self) -> dict[str, Mapping[str, Any]]:
        """The summary's entries by id, in its order."""
        return {entry["id"]: entry for entry in self.summary["variants"]}

    @property
    def times(self) -> dict[str, Mapping[str, Any]]:
        """The latencies' entries by id."""
        return {entry["id"]: entry for entry in self.latency["variants"]}

    def share(self, name: str, what: str) -> tuple[int, int]:
        """A share of the test examples in the summary (``accuracy``, say) as count and total."""
        return round(self.variants[name][what] * self.examples), self.examples

    def right(self, name: str) -> npt.NDArray[np.bool_] | None:
        """Which decisions of ``name`` are right, bool ``(n,)`` or ``(n, k)``; None where the task has no such thing."""
        return self.task.right(self.answers[name], self.labels)

    def resampled(self, name: str) -> npt.NDArray[np.float64]:
        """The quality of ``name`` on resamples of the test examples, ``(RESAMPLES,)``: the same ones for all variants.

        Examples are drawn within the classes where there are classes, so that none gets lost.
        """
        if name not in self._resampled:
            generator = np.random.default_rng(0)
            groups = (
                [np.flatnonzero(self.labels == label) for label in np.unique(self.labels)]
                if self.labels.ndim == 1
                else [np.arange(len(self.labels))]
            )
            found = []
            for _ in range(RESAMPLES):
                drawn = np.concatenate([generator.choice(group, len(group)) for group in groups])
                found.append(self.task.score(self.answers[name][drawn], self.labels[drawn]).value)
            self._resampled[name] = np.array(found)
        return self._resampled[name]


def assemble(
    summary: Mapping[str, Any],
    latency: Mapping[str, Any],
    task: Task,
    find: Callable[[str], Path | None],
    machines: Mapping[str, str],
) -> Results:
    """One build from its two documents and from what ``find`` finds of its files.

    ``find`` gives a file that has the bytes of a path such as ``data/test.npz``, or None. Answers
    are compared with labels, so one missing file leaves all of them out; and so does another task.

    Raises:
        DataError: a file is damaged.
        Finding: the answers are not those that the summary is of.
    """
    paths = {entry["id"]: f"metrics/predictions/{entry['id']}.npy" for entry in summary["variants"]}
    files = {path: find(path) for path in (TEST, *paths.values())}
    bare = Results(summary, latency, task, {}, np.empty(0, np.int64), machines)
    if bare.kind != task.kind or any(file is None for file in files.values()):
        return bare
    loaded = {path: _load(file, path) for path, file in files.items() if file is not None}
    answers = {name: loaded[path] for name, path in paths.items()}
    results = replace(bare, answers=answers, labels=loaded[TEST])
    for name, entry in results.variants.items():
        fits = len(answers[name]) == len(results.labels) == results.examples
        if not fits or abs(task.score(answers[name], results.labels).value - entry["accuracy"]) > 1e-6:
            raise Finding(
                f"{paths[name]} must give the {task.quality} that metrics/summary.json states, but it does not; "
                "run dvc repro"
            )
    return results


def _load(file: Path, where: str) -> npt.NDArray[Any]:
    """The answers in a .npy, or the labels of a split: its images are not read."""
    try:
        with file.open("rb") as opened:
            loaded = np.load(opened, allow_pickle=False)
            return np.asarray(loaded if isinstance(loaded, np.ndarray) else loaded["labels"])
    except (ValueError, EOFError, OSError, KeyError, IndexError, BadZipFile) as error:
        raise DataError(f"{where} is damaged: {error}; delete it and run dvc repro") from None
