"""The CI kit's files by themselves: the published schemas, what they may do, which secrets they read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.ci import gitlab
from tests.ci.conftest import FOLDER, GITHUB, GITLAB

SCHEMAS = {
    "github.yml": ("vendor.github-workflows",),
    "gitlab.yml": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}


def steps() -> Iterator[Mapping[str, Any]]:
    for job in GITHUB["jobs"].values():
        yield from job["steps"]


def scripts() -> list[str]:
    of_github = [step["run"] for step in steps() if "run" in step]
    jobs = [job for job in GITLAB.values() if isinstance(job, Mapping)]
    return of_github + [
        "\n".join(job[key]) for job in jobs for key in ("before_script", "script") if key in job
    ]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_accepts_it(name: str) -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        *SCHEMAS[name],
        str(FOLDER / name),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", scripts())
def test_every_script_is_bash(script: str) -> None:
    subprocess.run(["bash", "-n", "-c", script], check=True)


def test_no_script_has_text_of_a_pull_request_pasted_into_it() -> None:
    assert [script for script in scripts() if "${{" in script] == []


def test_only_the_job_that_runs_no_foreign_code_may_write() -> None:
    assert GITHUB["permissions"] == {}
    rights = {name: job["permissions"] for name, job in GITHUB["jobs"].items()}
    assert rights == {
        "build": {"contents": "read"},
        "comment": {"pull-requests": "write"},
        "verify": {"contents": "read"},
    }
    comment = GITHUB["jobs"]["comment"]["steps"]
    assert not any("checkout" in step.get("uses", "") for step in comment)
    assert GITLAB["comment"]["variables"]["GIT_STRATEGY"] == "none"


def test_checkouts_leave_no_token_behind() -> None:
    found = [step["with"] for step in steps() if "checkout" in step.get("uses", "")]
    assert [given["persist-credentials"] for given in found] == [False, False]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_header_names_every_secret_and_no_other(name: str) -> None:
    text = (FOLDER / name).read_text()
    header = text[: text.index("\nname:") if name == "github.yml" else text.index("\nworkflow:")]
    named = set(re.findall(r"^#   ([A-Z_]+) ", header, re.MULTILINE))
    if name == "github.yml":
        assert named == set(re.findall(r"secrets\.([A-Z_]+)", text))
    else:
        assert named - {"MLFLOW_TRACKING_URI"} == set(re.findall(r"(DVC_CONFIG_LOCAL|\w+_TOKEN)", text))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CI_PIPELINE_SOURCE": "merge_request_event"}, ["build", "committed"]),
        ({"CI_PIPELINE_SOURCE": "merge_request_event", "EDGEBUILD_NOTE_TOKEN": "t"}, ["build", "committed", "comment"]),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}, ["build"]),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "other"}, []),
        ({"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"}, ["verify"]),
    ],
)  # fmt: skip
def test_gitlab_starts_the_jobs_of_its_event(variables: dict[str, str], expected: list[str]) -> None:
    assert gitlab.jobs(GITLAB, {"CI_DEFAULT_BRANCH": "main", **variables}) == expected


def test_at_night_the_commit_is_rebuilt_from_nothing() -> None:
    assert GITHUB["jobs"]["verify"]["steps"][-1]["run"].startswith("edgebuild verify |")
    assert GITLAB["verify"]["script"] == ["edgebuild verify"]
    assert "schedule" in GITHUB["on"]
