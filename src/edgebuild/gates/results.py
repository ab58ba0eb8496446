"""What one build measured, as the gates read it: two documents of metrics/ and, where they are there, all answers."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError, Finding
from edgebuild.measure.accuracy import predicted

__all__ = ["Pair", "Results", "answers", "assemble", "labels", "pair"]

Classes = npt.NDArray[np.int64]

TEST = "data/test.npz"


@dataclass(frozen=True)
class Pair:
    """Two models on the same images: those that only one of them gets right.

    ``counted`` is False where the answers are not there and the two numbers are
    the most that the summary admits: the interval is then wider than it has to be.
    """

    lost: int
    gained: int
    total: int
    counted: bool = True


@dataclass(frozen=True)
class Results:
    """One build.

    ``summary`` and ``latency`` are metrics/summary.json and metrics/latency.json.
    ``answers`` are the predicted classes of the test images, int64 ``(n,)`` by
    variant id, and ``labels`` the true ones; without the predictions both are empty.
    ``machines`` says for variants, where it is known, which kind of machine timed them.
    """

    summary: Mapping[str, Any]
    latency: Mapping[str, Any]
    answers: Mapping[str, Classes]
    labels: Classes
    machines: Mapping[str, str]

    @property
    def reference(self) -> str:
        """The teacher as trained."""
        return str(self.summary["reference"])

    @property
    def images(self) -> int:
        """How many test images there are."""
        return int(self.summary["dataset"]["splits"]["test"]["images"])

    @property
    def test_set(self) -> str:
        """Which test images they are: the digest of the split."""
        return str(self.summary["dataset"]["splits"]["test"]["sha256"])

    @property
    def variants(self) -> dict[str, Mapping[str, Any]]:
        """The summary's entries by id, in its order."""
        return {entry["id"]: entry for entry in self.summary["variants"]}

    @property
    def times(self) -> dict[str, Mapping[str, Any]]:
        """The latencies' entries by id."""
        return {entry["id"]: entry for entry in self.latency["variants"]}

    def share(self, name: str, what: str) -> tuple[int, int]:
        """A share of the test images in the summary (``accuracy``, say) as count and total."""
        return round(self.variants[name][what] * self.images), self.images

    def right(self, name: str) -> npt.NDArray[np.bool_] | None:
        """Which test images ``name`` gets right, bool ``(n,)``; None without its answers."""
        found = self.answers.get(name)
        return None if found is None or found.shape != self.labels.shape else found == self.labels

    def against_reference(self, name: str) -> Pair:
        """``name`` beside the reference, image by image."""
        one, two = self.right(self.reference), self.right(name)
        if one is not None and two is not None:
            return pair(one, two)
        # The answers differ on so many images; at most on those only one of the two is right.
        correct, total = self.share(name, "accuracy")
        difference = self.share(self.reference, "accuracy")[0] - correct
        between = total - self.share(name, "agreement_with_reference")[0]
        between -= (between - difference) % 2
        return Pair((between + difference) // 2, (between - difference) // 2, total, counted=False)


def pair(one: npt.NDArray[np.bool_], two: npt.NDArray[np.bool_]) -> Pair:
    """Compare two models by which of the same images, bool ``(n,)`` each, they get right."""
    return Pair(int(np.sum(one & ~two)), int(np.sum(two & ~one)), len(one))


def assemble(
    summary: Mapping[str, Any],
    latency: Mapping[str, Any],
    load: Callable[[str], bytes | None],
    machines: Mapping[str, str],
) -> Results:
    """One build from its two documents and from what ``load`` finds of its files.

    ``load`` gives the bytes of a path such as ``data/test.npz``, or None. Answers
    are compared with labels, so one missing file leaves all of them out.

    Raises:
        Finding: the answers are not those that the summary is of.
    """
    paths = {entry["id"]: f"metrics/predictions/{entry['id']}.npy" for entry in summary["variants"]}
    loaded = {path: load(path) for path in (TEST, *paths.values())}
    found = {path: data for path, data in loaded.items() if data is not None}
    if len(found) < len(loaded):
        return Results(summary, latency, {}, np.empty(0, np.int64), machines)
    known = {name: answers(found[path], path) for name, path in paths.items()}
    results = Results(summary, latency, known, labels(found[TEST], TEST), machines)
    for name in known:
        right = results.right(name)
        if (
            right is None
            or len(right) != results.images
            or int(right.sum()) != results.share(name, "accuracy")[0]
        ):
            raise Finding(
                f"{paths[name]} must give the accuracy that metrics/summary.json states, but it does not; "
                "run dvc repro"
            )
    return results


def labels(data: bytes, where: str) -> Classes:
    """The labels in the bytes of a split (data/test.npz), int64 ``(n,)``.

    Raises:
        DataError: it is no split.
    """
    return _load(data, where, lambda loaded: np.asarray(loaded["labels"], np.int64))


def answers(data: bytes, where: str) -> Classes:
    """The predicted classes in the bytes of a .npy of logits, int64 ``(n,)``.

    Raises:
        DataError: it is no such file.
        Finding: the logits are not finite.
    """
    return predicted(_load(data, where, np.asarray))


def _load(data: bytes, where: str, take: Callable[[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    try:
        return take(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, EOFError, OSError, KeyError, IndexError) as error:
        raise DataError(f"{where} is damaged: {error}; delete it and run dvc repro") from None
