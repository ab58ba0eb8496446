"""Real stages in the worker: the same bytes as in plain processes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebuild.build.digest import md5
from tests.build.worker.workshop import Workshop
from tests.e2e.clone import Clone, make

OUTPUTS = ("data/train.npz", "models/teacher-keras-fp32.keras", "metrics/history/teacher.csv")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return make(tmp_path / "clone")


@pytest.fixture
def place() -> Iterator[Workshop]:
    folder = Path(tempfile.mkdtemp(prefix="w-"))
    workshop = Workshop(folder, folder, folder)
    yield workshop
    workshop.close()
    shutil.rmtree(folder)


def test_a_network_trained_in_the_worker_has_the_same_weights(clone: Clone, place: Workshop) -> None:
    digests = []
    for worker in ("0", "1"):
        variables = {"EDGEBUILD_WORKER": worker, "XDG_RUNTIME_DIR": str(place.run_folder)}
        for stage in ("prepare", "train_teacher"):
            clone.run("edgebuild", "run", stage, **variables)
        digests.append([md5(clone.root / path) for path in OUTPUTS])
        for path in OUTPUTS:
            (clone.root / path).unlink()
    assert digests[0] == digests[1]
    assert len(place.servers()) == 1
    (log,) = (place.run_folder / "edgebuild").glob("*.log")
    assert "run train_teacher: prepared" in log.read_text()


def test_messages_and_status_are_the_same(clone: Clone, place: Workshop) -> None:
    shown = []
    for worker in ("0", "1"):
        variables = {"EDGEBUILD_WORKER": worker, "XDG_RUNTIME_DIR": str(place.run_folder)}
        done = [
            clone.attempt("edgebuild", "run", stage, **variables) for stage in ("no such stage", "distill")
        ]
        shown.append(json.dumps([[each.returncode, each.stdout, each.stderr] for each in done]))
    assert shown[0] == shown[1]
    assert len(place.servers()) == 1
