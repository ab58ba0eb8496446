"""The CI kit's jobs, run as their files say, against a local origin and a local DVC remote."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.ci import gitlab
from tests.ci.conftest import GITLAB, RESULTS, Site, comments, stages
from tests.ci.github import Run
from tests.e2e.clone import Clone

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def first(site: Site) -> Run:
    """The first push to main; its results are then committed there, as a person would."""
    clone = site.clone("first")
    run = site.github(clone, "push", install=True)
    assert run.job("build"), run.said
    site.commit(clone, *RESULTS, branch="main")
    return run


def accuracy(least: float) -> Any:
    """A change of params: no variant may be right less often."""

    def change(params: dict[str, Any]) -> None:
        params["budgets"]["limits"]["default"]["accuracy"] = least

    return change


def test_the_first_run_builds_everything_and_pushes_it(site: Site, first: Run) -> None:
    assert {"prepare", "train_teacher", "quantize", "export", "benchmark", "report"} <= stages(first.said)
    pushed = [path for path in (site.folder / "remote/files").rglob("*") if path.is_file()]
    assert len(pushed) > 20
    assert list((site.folder / "remote/runs").rglob("*"))
    assert "budgets kept" in first.summary
    assert first.outcomes["Are the committed results those of this commit?"] == "skipped"
    assert first.job("comment") is None


@pytest.fixture(scope="module")
def green(site: Site, first: Run) -> tuple[Clone, Run]:
    """A pull request that leaves the build as it is."""
    clone = site.clone("pull")
    run = site.github(clone, "pull_request")
    assert run.job("build"), run.said
    (site.folder / "runner").mkdir()
    assert run.job("comment", site.folder / "runner"), run.said
    return clone, run


def test_a_fresh_clone_restores_everything_from_the_remote_and_reruns_nothing(
    green: tuple[Clone, Run],
) -> None:
    clone, run = green
    assert stages(run.said) == set()
    assert (clone.root / "models/pruned-litert-int8.tflite").is_file()
    assert "nothing would rerun" in run.said
    assert set(run.outcomes.values()) == {"success"}
    assert not clone.run("git", "status", "--porcelain", "dvc.lock", "metrics").stdout


def test_the_pull_request_has_one_comment_with_the_table(site: Site, green: tuple[Clone, Run]) -> None:
    clone, run = green
    (comment,) = comments(site, clone)["comments"]
    assert comment["body"].startswith("<!-- edgebuild check -->\n✅ **edgebuild check: ")
    assert "Against origin/main" in comment["body"]
    assert "https://forge.example/me/mine/actions/runs/7" in comment["body"]
    report = run.artifacts / "edgebuild/check.xml"
    assert not ElementTree.parse(report).findall(".//failure")


def test_a_knob_reruns_its_stages_and_the_results_have_to_be_committed(
    site: Site, green: tuple[Clone, Run]
) -> None:
    clone = site.clone("knob")
    clone.edit(lambda params: params["quantize"].update(samples=30))
    site.commit(clone, branch="knob")
    run = site.github(
        clone, "pull_request", forge="pull"
    )  # as if it were a later commit of that pull request
    assert not run.job("build")
    assert stages(run.said) == {"quantize", "export", "benchmark", "report"}
    assert run.outcomes["Check the budgets"] == "success"
    assert "quantize would rerun: params.yaml: quantize" in run.said
    assert "::error::commit dvc.lock, environment.lock and metrics" in run.said
    assert run.job("comment", site.folder / "runner")
    (comment,) = comments(site, green[0])["comments"]  # the old one, with another text
    assert "pruned-litert-int8" in comment["body"]
    assert [call[1] for call in comments(site, green[0])["calls"]] == ["GET", "POST", "GET", "PATCH"]

    # what the run built is committed, from its artifact; and a budget is broken
    shutil.copytree(run.artifacts / "edgebuild", clone.root, dirs_exist_ok=True)
    clone.edit(accuracy(0.999))
    site.commit(clone, *RESULTS, "params.yaml", branch="knob")
    again = site.github(site.clone("again", "knob"), "pull_request")
    assert not again.job("build")
    assert stages(again.said) == set()
    assert again.outcomes["Are the committed results those of this commit?"] == "success"
    assert again.outcomes["Check the budgets"] == "failure"
    for text in (again.summary, (again.artifacts / "edgebuild/check.md").read_text()):
        assert "❌ **edgebuild check: " in text
        assert "| pruned-litert-int8 | accuracy | ≥ 99.90 % |" in text
    assert ElementTree.parse(again.artifacts / "edgebuild/check.xml").findall(".//failure")


def test_a_merge_request_is_red_with_a_note_and_green_once_mended(site: Site, first: Run) -> None:
    clone = site.clone("merge")
    mend = clone.edit(accuracy(0.999))
    site.commit(clone, branch="merge")
    variables = site.gitlab(clone)
    assert gitlab.jobs(GITLAB, variables) == ["build", "committed", "comment"]
    passed, said = gitlab.run(GITLAB, "build", clone.root, variables)
    assert not passed
    assert stages(said) == set()
    assert ElementTree.parse(clone.root / "check.xml").findall(".//failure")
    assert gitlab.run(GITLAB, "comment", clone.root, variables) == (True, "")
    (note,) = comments(site, clone)["comments"]
    assert note["body"].startswith("<!-- edgebuild check -->\n❌ **edgebuild check: ")

    mend()
    passed, said = gitlab.run(GITLAB, "build", clone.root, variables, install=False)
    assert passed, said
    passed, said = gitlab.run(GITLAB, "committed", clone.root, variables, install=False)
    assert passed, said
    assert gitlab.run(GITLAB, "comment", clone.root, variables) == (True, "")
    (note,) = comments(site, clone)["comments"]
    assert "✅" in note["body"]
    assert [call[1] for call in comments(site, clone)["calls"]] == ["GET", "POST", "GET", "PUT"]


def test_where_the_build_failed_the_comment_says_so(site: Site, tmp_path: Path) -> None:
    clone = site.clone("broken")
    run = site.github(clone, "pull_request")
    (clone.root / "params.yaml").write_text("seed: [\n")
    assert not run.job("build")
    assert run.outcomes["Keep the results"] == "skipped"
    assert run.job("comment", tmp_path)
    (comment,) = comments(site, clone)["comments"]
    assert "there are no results**, because the build failed" in comment["body"]


def test_what_comes_from_a_fork_gets_no_comment(site: Site) -> None:
    assert site.github(site.clone("fork"), "pull_request", fork=True).job("comment") is None
