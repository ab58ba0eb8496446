"""Promotion into the registry: what it registers, what it refuses, what can be overridden and what is recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgebuild.build.environment import record
from edgebuild.cli import main
from edgebuild.errors import UsageError
from edgebuild.track import promote as module
from edgebuild.track import store
from edgebuild.track.checks import Problem, checks
from edgebuild.track.promote import Promotion, promote
from edgebuild.track.standing import committed, drifted, up_to_date
from edgebuild.track.state import BuildState, read_state
from edgebuild.track.sync import track
from tests.track.files import build_files, commit, lock
from tests.track.test_publish import client

VARIANT = "pruned-litert-int8"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A repository whose build is committed and published."""
    root = tmp_path_factory.mktemp("published")
    shutil.copyfile(empty_store, root / "mlflow.db")
    build_files(root)
    assert track(root, store.tracking_uri(root, {}), "p").complete
    return root


@pytest.fixture
def repository(published: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(published, tmp_path / "repository", symlinks=True)
    return tmp_path / "repository"


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing speaks against the repository: spares a test that asks about something else two seconds of DVC."""
    monkeypatch.setattr(module, "up_to_date", lambda root, environ: [])


def promoted(root: Path, variant: str = VARIANT, **options: Any) -> Promotion:
    return promote(root, store.tracking_uri(root, {}), "p", variant, {}, **options)


def state(root: Path) -> BuildState:
    found = read_state(root)
    assert isinstance(found, BuildState), found
    return found


def version(root: Path, name: str = "p", alias: str = "champion") -> Any:
    return client(root).get_model_version_by_alias(name, alias)


def test_a_variant_of_a_committed_build_becomes_a_version_that_says_where_it_comes_from(
    repository: Path,
) -> None:
    done = promoted(repository)
    assert (done.version, done.created, done.problems) == ("1", True, ())
    found = version(repository)
    assert str(found.version) == "1"
    built = state(repository)
    assert found.tags["edgebuild.lock"] == built.lock_digest
    assert found.tags["edgebuild.build"] == built.key
    assert len(found.tags["edgebuild.revision"]) == 40
    assert (found.tags["accuracy"], found.tags["latency_p50_us"]) == ("0.99", "10.5")
    assert "edgebuild.forced" not in found.tags
    model = client(repository).get_logged_model(found.source.removeprefix("models:/"))
    assert (model.name, model.tags["edgebuild.stored"]) == (VARIANT, "yes")


@pytest.mark.usefixtures("standing")
def test_promoting_again_makes_no_second_version_and_another_variant_takes_the_alias(
    repository: Path,
) -> None:
    promoted(repository)
    again = promoted(repository)
    assert (again.version, again.created, again.replaced) == ("1", False, None)
    other = promoted(repository, "pruned-onnx-int8")
    assert (other.version, other.created, other.replaced) == ("2", True, "1")
    back = promoted(repository)
    assert (back.version, back.created, back.replaced) == ("1", False, "2")
    assert len(client(repository).search_model_versions("name = 'p'")) == 2


@pytest.mark.usefixtures("standing")
def test_name_and_alias_are_of_ones_choice(repository: Path) -> None:
    done = promoted(repository, name="digits", alias="candidate")
    assert done.uri == "models:/digits@candidate"
    assert str(version(repository, "digits", "candidate").version) == "1"


@pytest.mark.usefixtures("standing")
def test_an_unknown_variant_is_answered_with_the_closest(repository: Path) -> None:
    with pytest.raises(UsageError, match=r"found 'pruned-litert-int4'; did you mean pruned-litert-int8"):
        promoted(repository, "pruned-litert-int4")


@pytest.mark.usefixtures("standing")
def test_what_speaks_against_it_is_overridden_by_a_reason_and_both_are_recorded(repository: Path) -> None:
    (repository / "stages/export.py").write_text("# another\n")
    refused = promoted(repository)
    assert refused.version is None
    assert [problem.what for problem in refused.problems] == ["uncommitted: stages/export.py"]
    assert '--force "REASON"' in refused.lines()[0]
    forced = promoted(repository, force="the demo is at noon")
    assert forced.version == "1"
    tags = version(repository).tags
    assert tags["edgebuild.forced"] == "the demo is at noon"
    assert "uncommitted: stages/export.py" in tags["edgebuild.refused"]
    assert tags["edgebuild.revision"].endswith("-dirty")
    assert "edgebuild.passed" not in tags
    (repository / "stages/export.py").write_text("# writes one file\n")
    assert promoted(repository).version == "1"
    tags = version(repository).tags
    assert "edgebuild.passed" in tags
    assert tags["edgebuild.forced"] == "the demo is at noon"
    assert not tags["edgebuild.revision"].endswith("-dirty")


@pytest.mark.usefixtures("standing")
def test_every_reason_is_told_at_once(repository: Path) -> None:
    (repository / "stages/export.py").write_text("# another\n")
    summary = json.loads((repository / "metrics/summary.json").read_text())
    summary["variants"][1]["oracle_labels"] = 0.9
    (repository / "metrics/summary.json").write_text(json.dumps(summary))
    lock(repository)
    told = "\n".join(promoted(repository, force="no matter").lines())
    assert "refused:" in told
    for reason in (
        "is not published: run `edgebuild track`",
        "uncommitted: dvc.lock",
        "pruned-onnx-int8 must give",
    ):
        assert reason in told


def test_a_build_that_is_not_whole_or_not_published_cannot_be_forced(
    repository: Path, empty_store: Path
) -> None:
    shutil.copyfile(empty_store, repository / "mlflow.db")
    refused = promoted(repository, force="now")
    assert (refused.version, refused.problems[0].final) == (None, True)
    (repository / "dvc.lock").unlink()
    (problem,) = promoted(repository, force="now").problems
    assert str(problem) == "a build is published when it is whole, and there is no dvc.lock: run `dvc repro`"


@pytest.mark.usefixtures("standing")
def test_a_store_that_does_not_answer_is_a_refusal_and_no_traceback(repository: Path) -> None:
    done = promote(repository, "http://127.0.0.1:9", "p", VARIANT, {})
    assert done.version is None
    assert "http://127.0.0.1:9 does not take it (the server does not answer" in done.problems[0].what


@pytest.mark.usefixtures("standing")
def test_after_a_kill_between_version_and_alias_the_next_one_sets_the_alias(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    class Killed(BaseException):
        """Not an Exception: nothing handles it, as nothing handles a kill."""

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", die)
        with pytest.raises(Killed):
            promoted(repository)
    assert (promoted(repository).version, str(version(repository).version)) == ("1", "1")


@pytest.mark.usefixtures("standing")
def test_a_clone_that_moves_takes_its_versions_along(repository: Path) -> None:
    import mlflow

    promoted(repository)
    moved = repository.rename(repository.with_name("moved"))
    uri = store.tracking_uri(moved, {})
    with store.connect(moved, uri):
        folder = Path(mlflow.artifacts.download_artifacts("models:/p@champion"))
    assert (folder / "MLmodel").is_file()


@pytest.mark.usefixtures("standing")
def test_a_file_that_was_not_pulled_is_supplied_by_tracking_again(
    repository: Path, empty_store: Path
) -> None:
    shutil.copyfile(empty_store, repository / "mlflow.db")
    shutil.rmtree(repository / "mlruns")
    model = repository / f"models/{VARIANT}.tflite"
    model.rename(repository / "away")
    (repository / ".gitignore").write_text((repository / ".gitignore").read_text() + "/away\n")
    commit(repository)
    uri = store.tracking_uri(repository, {})
    assert track(repository, uri, "p").complete
    (problem,) = promoted(repository, force="now").problems
    assert "has no file of this variant" in problem.what
    (repository / "away").rename(model)
    assert track(repository, uri, "p").complete
    assert promoted(repository).version == "1"


def test_git_must_have_the_sources_and_the_results_but_not_the_documentation(repository: Path) -> None:
    (repository / "README.md").write_text("new\n")
    assert committed(repository) == []
    (repository / "stages/new.py").write_text("")
    (repository / "metrics/latency.json").write_text("{}")
    (problem,) = committed(repository)
    assert problem.what == "uncommitted: metrics/latency.json, stages/new.py"


def test_outside_of_git_there_is_no_commit_to_name(repository: Path) -> None:
    shutil.rmtree(repository / ".git")
    (problem,) = committed(repository)
    assert "nothing is committed" in problem.what


def test_what_would_run_now_is_told_by_stage_and_absent_models_are_no_matter(repository: Path) -> None:
    shutil.rmtree(repository / "models")
    assert up_to_date(repository, {}) == []
    (repository / "stages/export.py").write_text("# another\n")
    (problem,) = up_to_date(repository, {})
    assert "export@pruned-litert-int8.tflite (stages/export.py modified)" in problem.what
    assert "and 1 stage(s) after them" in problem.what


def test_packages_other_than_the_locks_speak_against_the_stages_that_ran_with_them(repository: Path) -> None:
    built = state(repository)
    name = f"export@{VARIANT}.tflite"
    environment = record.current(repository, {}, ("numpy 2.0!=1.0",))
    assert record.write(repository, name, built.entries[name].outs, environment) is None
    (problem,) = drifted(repository, built)
    assert problem.what == f"{name} ran with numpy 2.0!=1.0 (installed!=locked), as environment.lock records"
    record.write(repository, name, {"models/other": "0" * 32}, environment)  # no longer about these outputs
    assert drifted(repository, built) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"oracle_labels": None}, "no comparison with its graph's reference"),
        ({"oracle_equal": 0.4}, "must give at least 50.0% of the logits"),
        ({"oracle_equal": None, "oracle_steps": None, "oracle_labels": 0.98}, "agree on 99.5% of the labels"),
        ({"path": "models/gone.tflite"}, "dvc.lock does not record its file models/gone.tflite"),
        ({"id": "other"}, "metrics/latency.json does not have it"),
    ],
)
def test_results_that_would_not_be_accepted_now_are_told(
    change: dict[str, Any], reason: str, repository: Path
) -> None:
    assert checks(state(repository)) == ()
    summary = json.loads((repository / "metrics/summary.json").read_text())
    summary["variants"][0] |= change
    (repository / "metrics/summary.json").write_text(json.dumps(summary))
    lock(repository)
    (problem,) = checks(state(repository))
    assert reason in str(problem)
    assert isinstance(problem, Problem)


@pytest.mark.usefixtures("standing")
def test_what_the_caller_has_against_it_refuses_it_too(repository: Path) -> None:
    problem = Problem("too large", "build a smaller one")
    assert promoted(repository, further=(problem,)).problems == (problem,)
    forced = promoted(repository, further=(problem,), force="the demo")
    assert (forced.version, forced.forced) == ("1", "the demo")


@pytest.mark.usefixtures("standing")
def test_the_command_returns_one_when_refused_and_zero_when_promoted_or_forced(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("edgebuild.params.read", lambda path: SimpleNamespace(project="p", budgets=None))
    (repository / "stages/export.py").write_text("# another\n")
    assert main(["promote", VARIANT, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["problems"][0]["final"]) == (None, False)
    assert main(["promote", VARIANT, "--force", " "]) == 2
    assert "--force needs a reason" in capsys.readouterr().err
    assert main(["promote", VARIANT, "--force", "the demo"]) == 0
    assert "forced (the demo), which is recorded" in capsys.readouterr().out
