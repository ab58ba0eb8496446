"""``edgebuild check``: exit status and words, on a finished build, on none, and against another revision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgebuild.cli import main
from tests.gates.repository import INT8, commit, lock, write


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed build that keeps the shipped budgets."""
    root = tmp_path_factory.mktemp("finished")
    write(root)
    commit(root)
    return root


@pytest.fixture
def repository(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the working folder."""
    shutil.copytree(finished, tmp_path / "repository")
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path / "repository"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and everything that was said."""
    status = main(["check", *arguments])
    shown = capsys.readouterr()
    return status, shown.out + shown.err


def budgets(repository: Path, text: str) -> None:
    """Replace the section ``budgets`` of params.yaml."""
    kept = (repository / "params.yaml").read_text(encoding="utf-8").partition("\nbudgets:")[0]
    (repository / "params.yaml").write_text(f"{kept}\n{text}\n", encoding="utf-8")


@pytest.mark.usefixtures("repository")
def test_a_build_within_its_budgets_passes(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = told(capsys)
    assert status == 0
    assert text.splitlines()[-1].endswith("budgets kept")


def test_a_broken_budget_ends_with_one_and_is_told(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budgets(repository, f"budgets: {{limits: {{{INT8}: {{bytes: 6000}}, default: {{accuracy: 0.9}}}}}}")
    status, text = told(capsys)
    assert status == 1
    assert f"{INT8}, size: failed (≤ 6,000 B, 7,000 B, −1,000 B)" in text
    assert text.splitlines()[-1] == "1 of 21 budgets failed"


def test_a_budget_in_doubt_fails_only_where_params_are_strict(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for strict, status in (("false", 0), ("true", 1)):
        budgets(repository, f"budgets: {{strict: {strict}, limits: {{default: {{accuracy: 0.985}}}}}}")
        assert told(capsys)[0] == status


def test_refused_params_end_with_two(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budgets(repository, "budgets: {limits: {default: {acuracy: 0.9}}}")
    status, text = told(capsys)
    assert status == 2
    assert "did you mean accuracy?" in text


def test_without_budgets_there_is_nothing_to_check_but_another_revision(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budgets(repository, "")
    status, text = told(capsys)
    assert status == 2
    assert "params.yaml has no section budgets, so there is nothing to check" in text
    status, text = told(capsys, "--against", "HEAD")
    assert (status, text.splitlines()[-1]) == (0, "nothing worse than HEAD")


@pytest.mark.parametrize("path", ["metrics/summary.json", "metrics/latency.json"])
def test_missing_or_changed_results_ask_for_a_build(
    path: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / path).write_text((repository / path).read_text() + " ")
    assert told(capsys) == (
        1, f"edgebuild: {path} must be what dvc.lock records, but it is not; build first: edgebuild run\n"
    )  # fmt: skip
    (repository / path).unlink()
    status, text = told(capsys)
    assert status == 1
    assert f"{path} is required, but it is not there; build first" in text


def test_a_variant_that_was_not_built_asks_for_a_build(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = json.loads((repository / "metrics/summary.json").read_text())
    del summary["variants"][-1]
    (repository / "metrics/summary.json").write_text(json.dumps(summary))
    lock(repository)
    status, text = told(capsys)
    assert status == 1
    assert (
        "params.yaml asks for pruned-coreml-int8, but the results have no such variant; build first" in text
    )


def test_results_of_another_task_ask_for_a_build(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = repository / "metrics/summary.json"
    summary.write_text(summary.read_text().replace('"task": "classification"', '"task": "multilabel"'))
    lock(repository)
    status, text = told(capsys)
    assert status == 1
    assert (
        "params.yaml asks for the task classification, but the results are of multilabel; build first" in text
    )


def test_predictions_are_taken_from_the_cache_where_the_folder_has_others(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(repository / "metrics/predictions")
    (repository / "data/test.npz").write_bytes(b"another")
    budgets(repository, f"budgets: {{limits: {{{INT8}: {{drop: 5}}}}}}")
    (verdict,) = json.loads(told(capsys, "--json")[1])["budgets"]
    assert verdict["note"] == "loses 0 and gains 0 of 400 examples"


def test_without_predictions_the_drop_is_judged_by_what_the_summary_admits(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(repository / "metrics/predictions")
    shutil.rmtree(repository / ".dvc/cache")
    budgets(repository, f"budgets: {{limits: {{{INT8}: {{drop: 5}}}}}}")
    (verdict,) = json.loads(told(capsys, "--json")[1])["budgets"]
    assert verdict["note"].startswith("widest interval that the summary admits")
    assert verdict["outcome"] == "passed"


def test_a_damaged_object_of_the_cache_is_not_read(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / f"metrics/predictions/{INT8}.npy").unlink()
    for cached in (repository / ".dvc/cache/files/md5").rglob("*"):
        if cached.is_file():
            cached.write_bytes(cached.read_bytes()[:-1])
    budgets(repository, f"budgets: {{limits: {{{INT8}: {{drop: 5}}}}}}")
    (verdict,) = json.loads(told(capsys, "--json")[1])["budgets"]
    assert verdict["note"].startswith("widest interval")


def test_a_build_that_lost_accuracy_is_worse_than_the_commit_before_it(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, wrong=12, size=7100)
    status, text = told(capsys, "--against", "HEAD")
    assert status == 1
    assert f"{INT8}, accuracy: worse (99.00 %, 97.00 %, +2.00 pt" in text
    assert "loses 8 and gains 0 of 400 examples" in text
    assert text.splitlines()[-1].endswith("1 of 47 figures worse than HEAD")


def test_a_task_that_was_stated_otherwise_is_not_compared(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = (repository / "params.yaml").read_text(encoding="utf-8")
    (repository / "params.yaml").write_text(params.replace("kind: classification", "kind: multilabel"))
    commit(repository)
    (repository / "params.yaml").write_text(params)
    status, text = told(capsys, "--against", "HEAD")
    assert status == 0
    assert (
        f"{INT8}, accuracy: not compared (99.00 %, 99.00 %, section task of params.yaml was another" in text
    )


def test_without_the_cache_the_other_revisions_answers_are_missed_and_that_is_said(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(repository / ".dvc/cache")
    write(repository, wrong=6)
    shutil.rmtree(repository / ".dvc/cache")
    status, text = told(capsys, "--against", "HEAD")
    assert status == 0
    assert "unpaired, which sees less: not all predictions are here (dvc pull brings them)" in text


def test_a_revision_that_git_does_not_know_or_that_has_no_results_is_refused(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = told(capsys, "--against", "mian")
    assert status == 2
    assert "--against mian: git knows no such revision here; name a branch, tag or commit" in text
    (repository / "metrics/latency.json").rename(repository / "latency.json")
    commit(repository)
    (repository / "latency.json").rename(repository / "metrics/latency.json")
    status, text = told(capsys, "--against", "HEAD")
    assert status == 2
    assert "has no metrics/latency.json; name one with results" in text


def test_a_folder_without_git_is_told_so(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(repository / ".git")
    assert told(capsys, "--against", "HEAD")[0] == 2


@pytest.mark.parametrize(
    ("format", "start"),
    [("markdown", "✅ **edgebuild check"), ("junit", "<?xml"), ("json", "{"), ("table", "Budgets")],
)
def test_every_format_can_be_written_to_a_file(
    format: str, start: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "--format", format, "--output", "out") == (0, "")
    assert (repository / "out").read_text(encoding="utf-8").startswith(start)


@pytest.mark.usefixtures("repository")
def test_a_file_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = told(capsys, "--output", "no/such/folder")
    assert status == 2
    assert "no/such/folder cannot be written: No such file or directory; name a file in a folder" in text


def test_results_of_another_build_than_params_yaml_describes_are_refused(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (repository / "dvc.yaml").open("a") as file:
        file.write("  prune: {cmd: edgebuild run prune, params: [prune]}\n")
    assert main(["check"]) == 1
    error = capsys.readouterr().err
    assert "the results are of another build: stage prune: dvc.lock does not have it; build first" in error
