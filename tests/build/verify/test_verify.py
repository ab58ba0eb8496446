"""A clean clone is rebuilt and compared: what passes, what is caught, and what is said about it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from edgebuild.build.verify.report import Report
from edgebuild.errors import UsageError
from tests.build.verify.repository import STAGES, UNSEEDED, Repository


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that clones are made in."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def statuses(report: Report) -> dict[str, str]:
    return {output.path: output.status for output in report.outputs}


def where(report: Report, path: str) -> str:
    return next(output.where for output in report.outputs if output.path == path)


def elsewhere(repository: Repository, *stages: str) -> None:
    """Let environment.lock say that ``stages`` (all if none) were made on another class of processor."""
    lock = json.loads((repository.root / "environment.lock").read_text())
    [environment] = lock["environments"].values()
    lock["environments"]["other"] = {**environment, "cpu": "x86_64 Other avx"}
    for name in stages or lock["stages"]:
        lock["stages"][name]["environment"] = "other"
    repository.write("environment.lock", json.dumps(lock))
    repository.commit()


@pytest.fixture
def made_elsewhere(repository: Repository) -> Repository:
    """Its weights differ in the last digits, as another processor's would."""
    repository.build_otherwise("train", STAGES["train"].replace("[:10]", "[:10] * np.float32(1.0000001)"))
    elsewhere(repository)
    return repository


def test_a_commit_that_is_what_it_says_is_verified_bit_for_bit(
    repository: Repository, temporary: Path
) -> None:
    report = repository.verify()
    assert report.ok
    assert report.mode == "bits"
    assert statuses(report) == {
        "data.npz": "same", "card.json": "same", "weights.npy": "same", "summary.json": "same",
        "latency.json": "machine",
    }  # fmt: skip
    assert list(temporary.iterdir()) == []


def test_an_unseeded_shuffle_is_caught_named_and_located(repository: Repository) -> None:
    repository.write("stages/prepare.py", UNSEEDED)
    repository.build()
    report = repository.verify()
    assert not report.ok
    assert where(report, "data.npz").startswith("x[")
    assert where(report, "weights.npy") == "it was made from inputs that differ"
    [cause] = report.causes
    assert (cause.stage, cause.kind) == ("prepare", "nondeterministic")
    assert cause.text.startswith(
        "prepare is not deterministic: two executions from equal inputs differ: data.npz: x["
    )


def test_code_that_changed_since_the_build_is_named(repository: Repository) -> None:
    repository.write("stages/train.py", STAGES["train"] + "# another state\n")
    repository.commit()
    report = repository.verify()
    assert not report.ok
    assert report.stale == {"train": ["stages/train.py"]}
    assert set(statuses(report).values()) == {"same", "machine"}


def test_a_lock_that_no_environment_explains_is_not_what_the_commit_makes(repository: Repository) -> None:
    repository.build_otherwise("train", STAGES["train"].replace("[:10]", "[:9]"))
    report = repository.verify()
    assert not report.ok
    assert where(report, "weights.npy") == "array is float32[9] → float32[10]"
    assert [(cause.stage, cause.kind) for cause in report.causes] == [("train", "lock")]


def test_on_another_class_of_processor_close_outputs_are_acceptable_and_the_class_is_named(
    made_elsewhere: Repository,
) -> None:
    report = made_elsewhere.verify()
    assert report.ok
    assert report.mode == "tolerance"
    assert "CPU class: x86_64 Other avx there" in report.reasons[0]
    assert statuses(report)["weights.npy"] == "close"
    assert [cause.kind for cause in report.causes] == ["environment"]


def test_bits_can_be_wanted_on_any_processor(made_elsewhere: Repository) -> None:
    report = made_elsewhere.verify("train", exact=True)
    assert not report.ok
    assert statuses(report) == {"weights.npy": "differs"}


def test_what_was_made_here_keeps_its_bits_though_a_later_stage_was_made_elsewhere(
    repository: Repository,
) -> None:
    repository.build_otherwise("train", STAGES["train"].replace("[:10]", "[:10] * np.float32(1.0000001)"))
    elsewhere(repository, "measure")
    report = repository.verify("train", "measure")
    assert report.mode == "tolerance"
    assert statuses(report)["weights.npy"] == "differs"
    assert statuses(report)["summary.json"] == "close"


def test_what_is_too_far_is_no_matter_of_the_processor(repository: Repository) -> None:
    repository.build_otherwise("measure", STAGES["measure"].replace("0.99", "0.90"))
    elsewhere(repository)
    report = repository.verify("measure")
    assert not report.ok
    assert "accuracy: 0.9 → 0.99, 20 of 400 images are allowed" in where(report, "summary.json")


def test_without_committed_bytes_metrics_in_git_speak_for_what_they_were_made_from(
    repository: Repository,
) -> None:
    repository.build_otherwise("train", STAGES["train"].replace("[:10]", "[:10] * np.float32(1.01)"))
    elsewhere(repository)
    repository.lose_cache()
    report = repository.verify()
    assert report.ok
    assert statuses(report)["weights.npy"] == "unseen"
    assert where(report, "weights.npy").endswith(
        "no DVC remote is configured; summary.json, which follows from it, is close"
    )


def test_without_committed_bytes_and_metrics_other_bits_are_not_acceptable(
    made_elsewhere: Repository,
) -> None:
    made_elsewhere.lose_cache()
    report = made_elsewhere.verify("prepare", "train")
    assert not report.ok
    assert "nothing that follows from it" in where(report, "weights.npy")


def test_inputs_of_a_part_that_cannot_be_had_are_named(repository: Repository) -> None:
    repository.lose_cache()
    with pytest.raises(UsageError, match=r"data\.npz as committed is not in git"):
        repository.verify("train")


def test_a_part_is_verified_from_committed_inputs(repository: Repository) -> None:
    report = repository.verify("train")
    assert report.ok
    assert statuses(report) == {"weights.npy": "same"}


def test_a_stage_that_fails_in_a_clean_clone_is_shown_with_what_it_said(repository: Repository) -> None:
    repository.write("stages/train.py", 'def main(stage):\n    open("notes.txt")\n')
    repository.commit()
    report = repository.verify()
    assert not report.ok
    assert report.failed == ("train",)
    assert "notes.txt" in report.tail
    assert statuses(report)["weights.npy"] == "missing"
    assert statuses(report)["data.npz"] == "same"


def test_the_clone_is_kept_for_a_look_into_it(repository: Repository, temporary: Path) -> None:
    report = repository.verify("prepare", keep=True)
    assert [str(path) for path in temporary.iterdir()] == [report.folder]
    assert (Path(report.folder) / "project/data.npz").is_file()
    assert "Running stage 'prepare'" in (Path(report.folder) / "build.log").read_text()


def test_an_interrupt_ends_the_build_and_leaves_nothing(repository: Repository, temporary: Path) -> None:
    def interrupt(done: int, total: int, text: str) -> None:
        raise KeyboardInterrupt

    from edgebuild.build.verify.verify import verify

    with pytest.raises(KeyboardInterrupt):
        verify(repository.root, "HEAD", os.environ, interrupt)
    assert list(temporary.iterdir()) == []
