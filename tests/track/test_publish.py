"""Publication of builds on a real MLflow (sqlite)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from edgebuild.build.environment import record
from edgebuild.track import store
from edgebuild.track.outbox import Record
from edgebuild.track.publish import publish_build, variant_metrics
from edgebuild.track.sync import track

Stages = dict[str, dict[str, Any]]


def client(root: Path) -> Any:
    return mlflow.MlflowClient(store.tracking_uri(root, {}))


def runs(root: Path, kind: str) -> list[Any]:
    experiment = client(root).get_experiment_by_name(f"p/{kind}")
    return list(client(root).search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))


def models(root: Path) -> dict[str, Any]:
    experiment = client(root).get_experiment_by_name("p/builds").experiment_id
    return {model.name: model for model in client(root).search_logged_models([experiment])}


def execute(root: Path, stages: Stages, *names: str) -> None:
    """Write the records that executing these stages would have written."""
    for name in names:
        params = stages[name].get("params", {}).get("params.yaml", {})
        record = Record.begin(root, stage=name, params=params)
        record.end("FINISHED", None, {out["path"]: out["md5"] for out in stages[name]["outs"]})


def publish(root: Path) -> Any:
    return track(root, store.tracking_uri(root, {}), "p")


def test_a_build_has_every_variant_and_links_to_the_runs_of_its_stages(
    root: Path, build: Callable[..., Stages]
) -> None:
    stages = build()
    execute(root, stages, *stages)
    report = publish(root)
    assert report.complete
    assert (report.build.created, report.build.executed, report.build.cached) == (True, 4, 0)
    (run,) = runs(root, "builds")
    assert run.info.status == "FINISHED"
    assert run.data.params["teacher.rate"] == "1e-05"
    assert run.data.metrics["pruned-litert-int8/accuracy"] == 0.88
    assert run.data.metrics["pruned-litert-int8/latency_p50_us"] == 10.5
    assert run.data.metrics["pruned-litert-int8/accuracy_ci95_low"] == pytest.approx(0.87)
    assert "pruned-onnx-int8/latency_p50_us" not in run.data.metrics
    made = {stage.data.tags["edgebuild.stage"]: stage.info.run_id for stage in runs(root, "stages")}
    prefix = "mlflow.edgebuild.stage."
    assert run.data.tags[f"{prefix}export/onnx-int8"] == made["export@onnx-int8"]
    assert {tag for tag in run.data.tags if tag.startswith(prefix)} == {
        f"{prefix}{name.replace('@', '/')}" for name in stages
    }
    artifacts = {item.path for item in client(root).list_artifacts(run.info.run_id)}
    assert artifacts == {"dvc.lock", "dvc.yaml", "params.yaml", "metrics", "plots"}
    assert [source.dataset.name for source in run.inputs.dataset_inputs] == ["digits"]
    outputs = client(root).get_run(run.info.run_id).outputs.model_outputs
    assert {made.model_id for made in outputs} == {m.model_id for m in models(root).values()}
    model = models(root)["pruned-onnx-int8"]
    assert model.source_run_id == made["export@onnx-int8"]
    assert model.params["precision"] == "int8"
    assert model.params["not_run"] == "no such runtime here"
    accuracy = next(metric for metric in model.metrics if metric.key == "accuracy")
    assert (accuracy.value, accuracy.dataset_name) == (0.87, "digits")
    assert any("workflowType=machine_learning" in line for line in report.lines())


def test_a_build_is_published_once_and_found_again_when_it_returns(
    root: Path, build: Callable[..., Stages]
) -> None:
    stages = build()
    execute(root, stages, *stages)
    first = publish(root).build
    again = publish(root).build
    assert (again.run_id, again.created, again.executed) == (first.run_id, False, 4)
    execute(root, build(sparsity=0.75), "export@litert-int8", "export@onnx-int8", "report")
    second = publish(root).build
    assert second.run_id != first.run_id
    assert (second.executed, second.cached) == (3, 1)
    build()  # the knob is turned back: DVC restores everything, no stage runs
    returned = publish(root).build
    assert (returned.run_id, returned.created) == (first.run_id, False)
    assert len(runs(root, "builds")) == 2
    assert len(runs(root, "stages")) == 7
    experiment = client(root).get_experiment_by_name("p/builds").experiment_id
    assert len(client(root).search_logged_models([experiment])) == 5  # the teacher's file is the same in both


def test_a_new_store_gets_the_build_and_stand_ins_for_its_stages(
    root: Path, build: Callable[..., Stages], empty_store: Path
) -> None:
    stages = build()
    execute(root, stages, *stages)
    publish(root)
    shutil.copyfile(empty_store, root / "mlflow.db")
    report = publish(root)
    assert (report.build.created, report.build.executed, report.build.cached) == (True, 0, 4)
    assert {run.data.tags["edgebuild.origin"] for run in runs(root, "stages")} == {"dvc.lock"}
    assert models(root).keys() == {"teacher-keras-fp32", "pruned-litert-int8", "pruned-onnx-int8"}
    publish(root)
    assert (len(runs(root, "builds")), len(runs(root, "stages"))) == (1, 4)


def test_a_build_says_where_its_stages_ran_and_with_which_other_packages(
    root: Path, build: Callable[..., Stages]
) -> None:
    entries = {name: {out["path"]: out["md5"] for out in stage["outs"]} for name, stage in build().items()}
    locked = record.current(root, {})
    drifted = record.current(root, {}, ("numpy 2.0!=1.0",))
    record.write(root, "train_teacher", entries["train_teacher"], locked)
    record.write(root, "report", entries["report"], drifted)
    record.write(root, "export@onnx-int8", {"another": "0" * 32}, drifted)
    assert publish(root).complete
    tags = runs(root, "builds")[0].data.tags
    assert tags["edgebuild.python"] == locked.python
    assert tags["edgebuild.cpu"] == locked.cpu
    assert tags["edgebuild.drift"] == "numpy 2.0!=1.0"
    assert tags["edgebuild.environment"] == "; ".join(sorted((locked.id, drifted.id)))


def test_an_environment_lock_that_cannot_be_read_does_not_keep_a_build_back(
    root: Path, build: Callable[..., Stages]
) -> None:
    build()
    (root / record.NAME).write_text("<<<<<<< HEAD")
    assert publish(root).complete
    assert "cannot be understood" in runs(root, "builds")[0].data.tags["edgebuild.environment"]


@pytest.mark.parametrize("call", ["create_run", "log_inputs", "log_artifacts", "set_terminated"])
def test_a_publication_that_dies_and_runs_again_leaves_one_whole_build(
    call: str, root: Path, build: Callable[..., Stages], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Not an Exception: nothing handles it, as nothing handles a kill."""

    build()
    original = getattr(mlflow.MlflowClient, call)

    def then_die(*arguments: Any, **options: Any) -> None:
        if call != "set_terminated":
            original(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, call, then_die)
        with pytest.raises(Killed):
            publish(root)
    assert publish(root).build.created
    (run,) = runs(root, "builds")
    assert run.info.status == "FINISHED"
    assert len(models(root)) == 3
    assert {stage.info.status for stage in runs(root, "stages")} == {"FINISHED"}
    assert len(runs(root, "stages")) == 4
    model = models(root)["teacher-keras-fp32"]
    points = client(root).get_metric_history(model.source_run_id, "accuracy")
    assert len(points) == 1


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("dvc.lock", None, "there is no dvc.lock"),
        ("metrics/latency.json", None, "there is no metrics/latency.json"),
        ("metrics/summary.json", "{}", "not the one that dvc.lock records"),
        ("dvc.lock", "schema: '2.0'\nstages: {report: {cmd: x}}\n", "dvc.lock has no export@litert-int8"),
        (
            "params.yaml",
            "teacher: {epochs: 9}\n",
            "train_teacher was run with teacher.epochs = 3, params.yaml says 9",
        ),
    ],
)
def test_a_build_that_is_not_whole_is_not_published(
    path: str, content: str | None, reason: str, root: Path, build: Callable[..., Stages]
) -> None:
    build()
    (root / path).unlink()
    if content is not None:
        (root / path).write_text(content)
    published = publish_build(root, store.tracking_uri(root, {}), "p")
    assert published.run_id is None
    assert reason in (published.reason or "")


def test_a_dead_store_is_reported_and_not_raised(root: Path, build: Callable[..., Stages]) -> None:
    execute(root, build(), "report")
    report = track(root, "http://127.0.0.1:9", "p")
    assert not report.complete
    assert report.delivered.waiting == 1
    assert len(report.lines()) == 3
    assert all("\n" not in line for line in report.lines())


def test_numbers_are_flattened_and_nulls_are_left_out() -> None:
    summary = {"id": "m", "accuracy": 0.5, "accuracy_ci95": [0.4, 0.6], "max_abs_error": None, "ok": True}
    latency = {"id": "m", "threads": 1, "latency_us": {"p50": 3.0}, "load_ms": None, "not_run": None}
    assert variant_metrics(summary, latency) == {
        "accuracy": 0.5,
        "accuracy_ci95_low": 0.4,
        "accuracy_ci95_high": 0.6,
        "latency_p50_us": 3.0,
    }


def test_figures_of_a_task_are_logged_under_names_that_mlflow_takes() -> None:
    assert variant_metrics({"metrics": {"mae.wind (m/s)": 1.5, "r2.Höhe": 0.5}}, {}) == {
        "mae.wind _m/s_": 1.5,
        "r2.H_he": 0.5,
    }


def test_publishing_leaves_the_environment_alone(root: Path, build: Callable[..., Stages]) -> None:
    build()
    before = dict(os.environ)
    publish(root)
    assert dict(os.environ) == before
    assert json.loads((root / "metrics/data.json").read_text()) == {"classes": 10}
