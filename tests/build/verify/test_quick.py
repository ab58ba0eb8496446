"""What would rerun is told without executing anything, in a clone that has no outputs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgebuild.cli import main
from tests.build.verify.repository import STAGES, Repository


@pytest.fixture
def repository(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The working folder, as CI has it: cloned, without cache or outputs."""
    repository.lose_cache()
    monkeypatch.chdir(repository.root)
    return repository


def test_nothing_would_rerun_in_a_clone_without_cache(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--quick"]) == 0
    assert "nothing would rerun" in capsys.readouterr().out
    assert not (repository.root / "weights.npy").exists()


def test_changed_code_and_what_is_made_from_it_would_rerun(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write("stages/train.py", STAGES["train"] + "# changed\n")
    repository.commit()
    assert main(["verify", "--quick", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["changes"] == [
        {"stage": "train", "reasons": ["stages/train.py modified"], "after": ""},
        {"stage": "measure", "reasons": [], "after": "train"},
    ]


def test_a_changed_param_is_named(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.replace("params.yaml", "\nseed: 7", "\nseed: 8")
    repository.commit()
    assert main(["verify", "--quick"]) == 1
    said = capsys.readouterr().out
    assert "prepare would rerun: params.yaml: seed modified" in said
    assert "and what is made from theirs: train, measure" in said


def test_metrics_in_git_that_are_not_the_builds_are_named(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.replace("summary.json", "0.99", "0.999")
    repository.commit()
    assert main(["verify", "--quick"]) == 1
    assert "measure would rerun: summary.json as committed has the MD5" in capsys.readouterr().out


def test_a_stage_that_was_never_built_is_named(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    with (repository.root / "dvc.yaml").open("a") as file:
        file.write("  more: {cmd: edgebuild run more, deps: [stages/train.py], outs: [more]}\n")
    repository.commit()
    assert main(["verify", "--quick"]) == 1
    assert "more would rerun: dvc.lock does not have it" in capsys.readouterr().out


def test_an_older_commit_is_looked_at_as_it_was(repository: Repository) -> None:
    good = repository.run("git", "rev-parse", "HEAD").strip()
    repository.write("stages/train.py", STAGES["train"] + "# changed\n")
    repository.commit()
    assert main(["verify", good, "--quick"]) == 0


def test_what_is_not_committed_is_not_verified_and_that_is_said(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write("stages/train.py", "broken")
    assert main(["verify", "--quick"]) == 0
    assert "1 uncommitted change(s) here are not verified" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-branch"], "git knows no revision 'no-such-branch'"),
        (["--stages", "nothing"], "dvc.yaml has no stage 'nothing'; it has prepare, train, measure"),
        (["--provenance", "x.json"], "--provenance FILE and --key PRIVATE go together"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_built(
    repository: Repository, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["verify", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_commit_without_a_build_is_refused(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.run("git", "rm", "--quiet", "dvc.lock")
    repository.commit()
    assert main(["verify", "--quick"]) == 2
    assert "has no dvc.lock; build with dvc repro and commit dvc.lock" in capsys.readouterr().err


def test_a_folder_without_git_is_refused(
    repository: Repository,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    shutil.rmtree(repository.root / ".git")
    assert main(["verify", "--quick"]) == 2
    assert "is in no git repository" in capsys.readouterr().err


@pytest.fixture
def added(repository: Repository) -> Repository:
    """With a folder that `dvc add` tracks, that a stage reads, and that nobody has fetched."""
    repository.write("scans/a.txt", "1")
    repository.replace("dvc.yaml", "deps: [data.npz,", "deps: [data.npz, scans,")
    repository.run("dvc", "add", "--quiet", "scans")
    repository.build()
    repository.lose_cache()
    shutil.rmtree(repository.root / "scans")
    return repository


def test_what_dvc_add_tracks_need_not_be_there(added: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--quick"]) == 0
    assert "nothing would rerun" in capsys.readouterr().out


def test_another_version_of_what_dvc_add_tracks_is_named(
    added: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    added.write("scans/a.txt", "2")
    added.run("dvc", "add", "--quiet", "scans")
    added.commit()
    shutil.rmtree(added.root / "scans")
    assert main(["verify", "--quick"]) == 1
    assert "train would rerun: scans modified" in capsys.readouterr().out
