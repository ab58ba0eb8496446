"""Results from documents and files: whole, without answers, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebuild.errors import DataError, Finding
from edgebuild.gates.results import Results, assemble
from edgebuild.tasks.classification import Classification
from tests.gates.builds import EXAMPLES, TEACHER, answered, build

INT8 = "pruned-litert-int8"


def files(folder: Path) -> tuple[Results, dict[str, Path]]:
    """A build, and its answers and test split as files by their path in a repository."""
    results = build({TEACHER: answered(range(4)), INT8: answered(range(9))})
    paths = {"data/test.npz": folder / "test.npz"}
    np.savez(paths["data/test.npz"], images=np.zeros((EXAMPLES, 1, 1, 1), np.uint8), labels=results.labels)
    for name, answers in results.answers.items():
        paths[f"metrics/predictions/{name}.npy"] = folder / f"{name}.npy"
        np.save(folder / f"{name}.npy", answers)
    return results, paths


def assembled(results: Results, paths: dict[str, Path]) -> Results:
    return assemble(results.summary, results.latency, Classification(), paths.get, {})


def test_answers_and_labels_are_read_from_the_files(tmp_path: Path) -> None:
    results, paths = files(tmp_path)
    found = assembled(results, paths)
    assert set(found.answers) == {TEACHER, INT8}
    np.testing.assert_array_equal(found.labels, results.labels)
    right = found.right(INT8)
    assert right is not None
    assert right.sum() == EXAMPLES - 9


@pytest.mark.parametrize("missing", ["data/test.npz", f"metrics/predictions/{INT8}.npy"])
def test_one_missing_file_leaves_all_answers_out(missing: str, tmp_path: Path) -> None:
    results, paths = files(tmp_path)
    del paths[missing]
    found = assembled(results, paths)
    assert not found.answers
    assert found.share(INT8, "accuracy") == (391, 400)


def test_answers_that_the_summary_is_not_of_are_refused(tmp_path: Path) -> None:
    results, paths = files(tmp_path)
    np.save(paths[f"metrics/predictions/{INT8}.npy"], answered(range(8)))
    with pytest.raises(Finding, match=f"{INT8}.npy must give the accuracy that metrics/summary.json states"):
        assembled(results, paths)


def test_answers_to_other_examples_are_refused(tmp_path: Path) -> None:
    results, paths = files(tmp_path)
    np.save(paths[f"metrics/predictions/{INT8}.npy"], answered(range(8), examples=300))
    with pytest.raises(Finding, match="must give the accuracy"):
        assembled(results, paths)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    results, paths = files(tmp_path)
    paths["data/test.npz"].write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="data/test.npz is damaged"):
        assembled(results, paths)


def test_answers_of_another_task_are_not_read(tmp_path: Path) -> None:
    results, paths = files(tmp_path)
    summary = {**results.summary, "task": "regression"}
    assert not assemble(summary, results.latency, Classification(), paths.get, {}).answers


def test_a_summary_that_names_no_task_is_a_classifications() -> None:
    results = build({TEACHER: answered(range(4))})
    del results.summary["task"]  # type: ignore[attr-defined]
    assert (results.kind, results.counted) == ("classification", True)
