"""A small build at a forge: an origin, a DVC remote, a machine for jobs with doubles of the forge's tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.build.worker.workshop import Workshop
from tests.ci.github import Run
from tests.e2e.clone import Clone, make

FOLDER = Path(__file__).resolve().parents[2] / "src/edgebuild/template/ci"
GITHUB, GITLAB = (YAML(typ="safe").load((FOLDER / name).read_text()) for name in ("github.yml", "gitlab.yml"))
AUTHOR = ("-c", "user.name=A", "-c", "user.email=a@example.org")
INSTALL = frozenset({"Install what the locks name"})
RESULTS = ("dvc.lock", "environment.lock", "metrics")


@dataclass(frozen=True)
class Site:
    """``folder`` holds the origin, the DVC remote, the tools and the comments."""

    folder: Path
    place: Workshop

    def clone(self, name: str, branch: str = "main") -> Clone:
        """A fresh clone of the origin, without any cache."""
        origin, target = str(self.folder / "origin"), str(self.folder / name)
        subprocess.run(["git", "clone", "--quiet", "--branch", branch, origin, target], check=True)
        return Clone(self.folder / name)

    def commit(self, clone: Clone, *files: str, branch: str) -> None:
        """Commit ``files`` (all that changed if none is named) and push them to ``branch``."""
        clone.run("git", "add", *(files or ("--update",)))
        clone.run("git", *AUTHOR, "commit", "--quiet", "--message", branch)
        clone.run("git", "push", "--quiet", "--force", "origin", f"HEAD:{branch}")

    @property
    def config(self) -> str:
        """What a user stores as DVC_CONFIG_LOCAL."""
        return f"[core]\n    remote = store\n['remote \"store\"']\n    url = {self.folder / 'remote'}\n"

    def machine(self, clone: Clone) -> dict[str, str]:
        """The environment of a job's steps: nothing of the forge's, no index of packages, the tools' doubles."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLFLOW_", "DVC_", "CI"))
        }
        path = os.pathsep.join(
            [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        return {
            **kept, "PATH": path, "PYTHONPATH": str(clone.root / "src"), "PIP_NO_INDEX": "1",
            "FORGE": str(self.folder / f"{clone.root.name}-forge.json"),
            "EDGEBUILD_WORKER": "1", "XDG_RUNTIME_DIR": str(self.place.run_folder),
        }  # fmt: skip

    def github(
        self, clone: Clone, event: str, *, fork: bool = False, forge: str = "", install: bool = False
    ) -> Run:
        """A run of the GitHub workflow in ``clone``; what a fork sends gets no secret.

        ``forge`` names the clone whose pull request this is. To ``install`` once is enough for one machine.
        """
        github: dict[str, Any] = {"event_name": event, "repository": "me/mine", "token": "t", "run_id": 7}
        github |= {"server_url": "https://forge.example", "ref": "refs/heads/main"}
        if event == "pull_request":
            sender = {"repo": {"full_name": "you/mine" if fork else "me/mine"}}
            github |= {"base_ref": "main", "event": {"pull_request": {"number": 5, "head": sender}}}
        secrets = {} if fork else {"DVC_CONFIG_LOCAL": self.config}
        machine = self.machine(clone)
        if forge:
            machine["FORGE"] = str(self.folder / f"{forge}-forge.json")
        return Run(GITHUB, clone.root, github, secrets, machine, frozenset() if install else INSTALL)

    def gitlab(self, clone: Clone) -> dict[str, str]:
        """The variables of a merge request's pipeline of GitLab."""
        file = self.folder / "dvc-config"
        file.write_text(self.config)
        return {
            **self.machine(clone), "CI_PIPELINE_SOURCE": "merge_request_event", "CI_DEFAULT_BRANCH": "main",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_MERGE_REQUEST_IID": "5",
            "CI_MERGE_REQUEST_PROJECT_ID": "3", "CI_API_V4_URL": "https://forge.example/api/v4",
            "CI_PIPELINE_URL": "https://forge.example/pipelines/7", "DVC_CONFIG_LOCAL": str(file),
            "EDGEBUILD_NOTE_TOKEN": "t",
        }  # fmt: skip


def few(params: dict[str, Any]) -> None:
    """Two files, and budgets that they keep."""
    names = ("teacher-litert-fp32", "pruned-litert-int8")
    params["variants"] = {name: params["variants"][name] for name in names}
    params["cost"] |= {"edge": names[1]}
    params["budgets"] = {"limits": {"default": {"accuracy": 0.2}, "pruned-litert-int8": {"bytes": 20000}}}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An origin with a commit that was never built."""
    folder, run_folder = tmp_path_factory.mktemp("ci"), Path(tempfile.mkdtemp(prefix="w-"))
    site = Site(folder, Workshop(run_folder, run_folder, run_folder))
    (folder / "remote").mkdir()
    (folder / "bin").mkdir()
    for tool in ("gh", "curl"):
        shutil.copy(Path(__file__).with_name("forge.py"), folder / "bin" / tool)
        (folder / "bin" / tool).chmod(0o755)
    author = make(folder / "author")
    author.edit(few)
    (author.root / "requirements/edgebuild.txt").write_text(
        "edgebuild # what `edgebuild init` writes, unpinned\n"
    )
    author.run("git", "add", "--all")
    author.run("git", *AUTHOR, "commit", "--quiet", "--message", "init")
    author.run("git", "branch", "--move", "main")
    author.run("git", "clone", "--quiet", "--bare", ".", str(folder / "origin"))
    yield site
    site.place.close()
    shutil.rmtree(run_folder)


def stages(said: str, verb: str = "Running stage") -> set[str]:
    """The stages that DVC says it executes, without their variants."""
    return {line.split("'")[1].partition("@")[0] for line in said.splitlines() if line.startswith(verb)}


def comments(site: Site, clone: Clone) -> Mapping[str, Any]:
    """What the forge has: comments, and calls."""
    stored: Mapping[str, Any] = json.loads((site.folder / f"{clone.root.name}-forge.json").read_text())
    return stored
