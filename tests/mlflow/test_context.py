"""The run-context provider: tags in a DVC repository, nothing outside of one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

import mlflow
import pytest

from edgebuild.mlflow.context import DVCRunContext

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC repository with one commit, which is the working directory."""
    root = tmp_path / "digits"
    (root / ".dvc").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "dvc.yaml"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.chdir(root)
    for name in ("DVC_ROOT", "DVC_STAGE"):
        monkeypatch.delenv(name, raising=False)
    return root


def head(root: Path) -> str:
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_run_in_a_repository_says_what_it_belongs_to(repository: Path) -> None:
    assert DVCRunContext().in_context()
    assert DVCRunContext().tags() == {
        "edgebuild.pipeline": "digits",
        "edgebuild.revision": head(repository),
        "edgebuild.lock": hashlib.sha256(b"schema: '2.0'\n").hexdigest(),
    }


def test_a_stage_is_named_and_changed_files_make_the_revision_dirty(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", "export@litert-int8")
    (repository / "dvc.yaml").write_text("stages: {a: {cmd: b}}\n")
    tags = DVCRunContext().tags()
    assert tags["edgebuild.stage"] == "export@litert-int8"
    assert tags["edgebuild.revision"] == f"{head(repository)}-dirty"


def test_the_nearest_pipeline_counts_and_its_project_is_its_name(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = repository / "vision/scripts"
    inner.mkdir(parents=True)
    (inner.parent / "dvc.yaml").write_text("stages: {}\n")
    (inner.parent / "params.yaml").write_text("project: vision-models\n")
    monkeypatch.chdir(inner)
    tags = DVCRunContext().tags()
    assert tags["edgebuild.pipeline"] == "vision-models"
    assert "edgebuild.lock" not in tags


@pytest.mark.parametrize("params", ["project: [", "project: 1", "- a", ""])
def test_params_without_a_project_leave_the_folders_name(repository: Path, params: str) -> None:
    (repository / "params.yaml").write_text(params)
    assert DVCRunContext().tags()["edgebuild.pipeline"] == "digits"


def test_in_a_stage_dvc_names_the_root_even_if_its_folder_is_out_of_sight(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / ".dvc").rmdir()
    assert not DVCRunContext().in_context()
    monkeypatch.setenv("DVC_ROOT", str(repository))
    assert DVCRunContext().in_context()


def test_outside_of_a_repository_nothing_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    assert not DVCRunContext().in_context()
    assert DVCRunContext().tags() == {}


def test_the_plugin_imports_nothing_but_itself() -> None:
    code = (
        "import sys; import mlflow.tracking.context.abstract_context\n"
        "for name in [name for name in sys.modules if name.startswith('edgebuild')]:\n"
        "    del sys.modules[name]  # an installed plugin is loaded already\n"
        "before = set(sys.modules)\n"
        "from edgebuild.mlflow.context import DVCRunContext; DVCRunContext().in_context();"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True, cwd="/"
    )
    assert done.stdout.split() == ["edgebuild", "edgebuild.mlflow", "edgebuild.mlflow.context"]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning"
)  # MLflow's and SQLAlchemy's
def test_mlflow_finds_the_plugin_by_its_entry_point(
    repository: Path, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip installs it: the entry points of pyproject.toml in a distribution's metadata."""
    from mlflow.tracking.context import registry

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / "site/edgebuild_test-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: edgebuild_test\nVersion: 1\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(metadata.parent))
    fresh = registry.RunContextProviderRegistry()
    fresh.register_entrypoints()
    assert "DVCRunContext" in [type(provider).__name__ for provider in fresh]
    monkeypatch.setattr(registry, "_run_context_provider_registry", fresh)
    with mlflow.start_run() as run:
        pass
    tags = mlflow.MlflowClient().get_run(run.info.run_id).data.tags
    assert tags["edgebuild.pipeline"] == "digits"
    assert tags["edgebuild.revision"] == head(repository)
