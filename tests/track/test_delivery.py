"""Delivery against a real MLflow on sqlite, and against a real ``mlflow server`` that dies and returns."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgebuild.track import delivery, store
from edgebuild.track.delivery import Courier, deliver
from edgebuild.track.mutex import delivery_lock
from edgebuild.track.outbox import Record, pending


def client(uri: str) -> Any:
    import mlflow

    return mlflow.MlflowClient(uri)


def stage_runs(uri: str, project: str = "p") -> list[Any]:
    experiment = client(uri).get_experiment_by_name(f"{project}/stages")
    return list(client(uri).search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))


def history(uri: str, run: Any, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client(uri).get_metric_history(run.info.run_id, key)]


def artifact(uri: str, run: Any, path: str) -> bytes:
    return Path(client(uri).download_artifacts(run.info.run_id, path)).read_bytes()


def finished(root: Path, stage: str = "s", epochs: int = 2, **settings: Any) -> Record:
    record = Record.begin(root, stage=stage, params=settings.get("params", {}), revision="c0ffee-dirty")
    for epoch in range(epochs):
        record.metrics(epoch, {"train/loss": 1.0 / (epoch + 1)})
    record.end(settings.get("status", "FINISHED"), settings.get("message"), settings.get("outs", {}))
    return record


def test_one_run_tells_all_about_an_executed_stage(root: Path) -> None:
    uri = store.tracking_uri(root, {})
    (root / "metrics").mkdir()
    (root / "metrics" / "m.json").write_text("{}")
    (root / "big.onnx").write_bytes(bytes(200))
    digest = hashlib.md5((root / "metrics" / "m.json").read_bytes(), usedforsecurity=False).hexdigest()
    params = {"teacher": {"epochs": 3, "rate": 1e-05, "note": "x" * 7000}, "odd@key": [1, 2]}
    record = finished(
        root,
        "export@litert-int8",
        params=params,
        message="m" * 9000,
        outs={"metrics/m.json": digest, "big.onnx": "0" * 32, "folder": "abc.dir"},
    )
    assert deliver(root, uri, "p", artifact_limit=100) == delivery.Delivered(1, 0, 0, None)
    assert pending(root) == []
    (run,) = stage_runs(uri)
    assert run.info.run_name == "export@litert-int8"
    assert run.info.status == "FINISHED"
    assert run.data.params["teacher.epochs"] == "3"
    assert run.data.params["teacher.rate"] == "1e-05"
    assert run.data.params["odd/key"] == "[1, 2]"
    assert len(run.data.params["teacher.note"]) == 6000
    assert json.loads(artifact(uri, run, "long_params.json")) == {"teacher.note": "x" * 7000}
    assert run.data.tags["edgebuild.record"] == record.id
    assert run.data.tags["edgebuild.revision"] == "c0ffee-dirty"
    assert len(run.data.tags["edgebuild.message"]) == 8000
    assert history(uri, run, "train/loss") == [(0, 1.0), (1, 0.5)]
    assert artifact(uri, run, "metrics/m.json") == b"{}"
    assert json.loads(artifact(uri, run, "outs.json")) == {
        "metrics/m.json": {"md5": digest, "size": 2, "logged": True},
        "big.onnx": {"md5": "0" * 32, "size": 200, "logged": False},
        "folder": {"md5": "abc.dir", "logged": False},
    }
    assert str(root / "mlruns") in run.info.artifact_uri


def test_a_running_stage_is_seen_with_its_epochs_and_later_becomes_the_same_finished_run(root: Path) -> None:
    uri = store.tracking_uri(root, {})
    courier = Courier(root, uri, "p")
    record = Record.begin(root, stage="train_teacher", params={})
    record.metrics(0, {"loss": 1.0})
    assert courier.run().running == 1
    (run,) = stage_runs(uri)
    assert (run.info.status, history(uri, run, "loss")) == ("RUNNING", [(0, 1.0)])
    record.metrics(1, {"loss": 0.5})
    courier.run()
    assert history(uri, run, "loss") == [(0, 1.0), (1, 0.5)]
    record.end("FAILED", "ValueError: no", {})
    assert courier.run().finished == 1
    (run,) = stage_runs(uri)
    assert (run.info.status, run.data.tags["edgebuild.message"]) == ("FAILED", "ValueError: no")


@pytest.mark.parametrize("call", ["create_run", "log_batch", "log_artifacts", "set_terminated", "remove"])
def test_a_delivery_that_dies_after_any_call_and_runs_again_leaves_one_run_and_no_double_point(
    call: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    class Killed(BaseException):
        """Not an Exception: nothing in the delivery handles it, as nothing handles a kill."""

    uri = store.tracking_uri(root, {})
    record = finished(root, epochs=3, params={"a": 1}, outs={"x.json": "0" * 32})
    target = (delivery, "_remove") if call == "remove" else (mlflow.MlflowClient, call)
    original = getattr(*target)

    def then_die(*arguments: Any, **options: Any) -> None:
        if call != "remove":
            original(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(*target, then_die)
        with pytest.raises(Killed):
            deliver(root, uri, "p")
    assert deliver(root, uri, "p").finished == 1
    (run,) = stage_runs(uri)
    assert run.data.tags["edgebuild.record"] == record.id
    assert run.info.status == "FINISHED"
    assert history(uri, run, "train/loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert run.data.params == {"a": "1"}


def test_points_that_another_delivery_sent_are_not_sent_again(root: Path) -> None:
    uri = store.tracking_uri(root, {})
    record = Record.begin(root, stage="s", params={})
    record.metrics(0, {"loss": 1.0})
    first, second = Courier(root, uri, "p"), Courier(root, uri, "p")
    first.run()
    record.metrics(1, {"loss": 0.5})
    (root / ".edgebuild" / "delivery.lock").write_text("1\n")  # as after a pass of another process
    second.run()
    record.end("FINISHED", None, {})
    (root / ".edgebuild" / "delivery.lock").write_text("1\n")
    first.run()
    (run,) = stage_runs(uri)
    assert history(uri, run, "loss") == [(0, 1.0), (1, 0.5)]


def test_a_killed_stage_becomes_a_killed_run_with_its_epochs_and_its_log(root: Path) -> None:
    uri = store.tracking_uri(root, {})
    script = """
import os, signal, sys
from pathlib import Path
from edgebuild.track.outbox import Record
record = Record.begin(Path(sys.argv[1]), stage="distill", params={})
record.metrics(0, {"loss": 1.0})
record.log.write_text("epoch 0")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script, str(root)]).returncode == -signal.SIGKILL
    assert deliver(root, uri, "p").finished == 1
    (run,) = stage_runs(uri)
    assert run.info.status == "KILLED"
    assert "ended without a word" in run.data.tags["edgebuild.message"]
    assert history(uri, run, "loss") == [(0, 1.0)]
    assert artifact(uri, run, "log.txt") == b"epoch 0"


def test_a_record_that_the_store_refuses_does_not_hold_up_the_others(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    uri = store.tracking_uri(root, {})
    bad, _ = finished(root, "bad"), finished(root, "good")
    original = MlflowClient.log_batch

    def with_a_bad_name(self: Any, run_id: str, metrics: Any = (), **options: Any) -> None:
        if self.get_run(run_id).data.tags["edgebuild.record"] == bad.id:
            metrics = [type(metric)("no%name", 1.0, 0, 0) for metric in metrics]
        original(self, run_id, metrics=metrics, **options)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", with_a_bad_name)
        done = deliver(root, uri, "p")
    assert (done.finished, done.waiting, done.refused) == (1, 1, 1)
    assert "no%name" in (done.reason or "")
    assert [waiting.begin.stage for waiting in pending(root)] == ["bad"]
    assert deliver(root, uri, "p").finished == 1


def test_a_clone_that_moves_takes_its_artifacts_along(tmp_path: Path, empty_store: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    shutil.copyfile(empty_store, old / "mlflow.db")
    (old / "a.json").write_text("[]")
    digest = hashlib.md5(b"[]", usedforsecurity=False).hexdigest()
    finished(old, outs={"a.json": digest})
    deliver(old, store.tracking_uri(old, {}), "p")
    old.rename(new)
    uri = store.tracking_uri(new, {})
    finished(new, "t", outs={"a.json": digest})
    deliver(new, uri, "p")
    assert not old.exists()
    assert [artifact(uri, run, "a.json") for run in stage_runs(uri)] == [b"[]", b"[]"]


def test_the_environment_and_the_tracking_uri_of_the_caller_are_left_alone(root: Path) -> None:
    import mlflow

    finished(root)
    before, uri_before = dict(os.environ), mlflow.get_tracking_uri()
    deliver(root, store.tracking_uri(root, {}), "p")
    assert dict(os.environ) == before
    assert mlflow.get_tracking_uri() == uri_before


def test_only_one_process_delivers_at_a_time(root: Path) -> None:
    finished(root)
    with delivery_lock(root, 0) as held:
        assert held is not None
        done = deliver(root, store.tracking_uri(root, {}), "p", wait_s=0.2)
    assert (done.finished, done.waiting) == (0, 1)
    assert "another process delivers" in (done.reason or "")


def test_an_outbox_that_cannot_be_used_is_a_reason_and_not_an_exception(root: Path) -> None:
    (root / ".edgebuild").write_text("a file where the folder should be")
    assert "cannot be used" in (deliver(root, "sqlite://", "p").reason or "")


@pytest.mark.parametrize(
    ("key", "safe"),
    [
        ("stage.export@onnx-int8", "stage.export/onnx-int8"),
        ("../a//b", "a/b"),
        ("größe [%]", "gr__e ___"),
        ("", "_"),
    ],
)
def test_keys_are_made_fit_for_mlflow(key: str, safe: str) -> None:
    assert store.safe_key(key) == safe


def test_the_store_is_the_repositorys_own_unless_the_environment_names_another(tmp_path: Path) -> None:
    own = f"sqlite:///{tmp_path.resolve()}/mlflow.db"
    assert store.tracking_uri(tmp_path, {}) == own
    assert store.tracking_uri(tmp_path, {"MLFLOW_TRACKING_URI": ""}) == own
    assert store.tracking_uri(tmp_path, {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}) == own
    for other in ("http://host:5000", "sqlite:////data/all.db", "sqlite://"):
        assert store.tracking_uri(tmp_path, {"MLFLOW_TRACKING_URI": other}) == other


def test_links_open_the_ui_for_models_and_show_no_password() -> None:
    assert store.link("https://me:secret@host/ml/", "7", "r") == (
        "https://host/ml/#/experiments/7/runs/r?workflowType=machine_learning"
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def server(folder: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real MLflow server; killed with all its workers on leaving."""
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination",
        str(folder),
    ]
    with open(folder / "server.log", "ab") as log:
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # starts in half the time
        process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, cwd=folder, env=environment
        )
    uri = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (folder / "server.log").read_text()
                time.sleep(0.2)
        yield uri, process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_with_a_server_that_comes_late_stalls_and_dies_every_point_arrives_once(
    root: Path, empty_store: Path
) -> None:
    folder = root / "server"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "server.db")
    (root / "a.json").write_text("[]")
    port = free_port()
    courier = Courier(root, f"http://127.0.0.1:{port}", "p")

    def refused() -> None:
        started = time.monotonic()
        done = courier.run()
        assert time.monotonic() - started < 10
        assert (done.waiting, done.finished) == (len(pending(root)), 0)
        assert re.fullmatch(
            rf"http://127.0.0.1:{port}, stage train_teacher: the server does not answer \(\w+\)",
            done.reason or "",
        )

    record = Record.begin(root, stage="train_teacher", params={"epochs": 4})
    record.metrics(0, {"loss": 1.0})
    refused()
    with server(folder, port) as (uri, process):
        assert courier.run().running == 1
        os.killpg(process.pid, signal.SIGSTOP)  # takes requests and answers them when it goes on
        record.metrics(1, {"loss": 0.5})
        refused()
        os.killpg(process.pid, signal.SIGCONT)
        record.metrics(2, {"loss": 0.25})
        assert courier.run().running == 1
        (run,) = stage_runs(uri)
        assert history(uri, run, "loss") == [(0, 1.0), (1, 0.5), (2, 0.25)]
        digest = hashlib.md5(b"[]", usedforsecurity=False).hexdigest()
        finished(root, "prepare", outs={"a.json": digest})
        assert courier.run().finished == 1
        assert artifact(uri, stage_runs(uri)[1], "a.json") == b"[]"
    record.metrics(3, {"loss": 0.125})
    record.end("FINISHED", None, {})
    finished(root, "distill")
    refused()
    uri = f"sqlite:///{folder / 'server.db'}"  # what the killed server had stored, reached without it
    assert deliver(root, uri, "p") == delivery.Delivered(2, 0, 0, None)
    runs = stage_runs(uri)
    assert [run.info.run_name for run in runs] == ["train_teacher", "prepare", "distill"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert history(uri, runs[0], "loss") == [(0, 1.0), (1, 0.5), (2, 0.25), (3, 0.125)]
