"""Nothing is lost and nothing waits: full disks, servers that refuse, are slow, or die in the middle of a training."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgebuild.track import store
from edgebuild.track.delivery import Courier, deliver
from edgebuild.track.outbox import Record, pending
from edgebuild.track.sync import track
from tests.track.test_delivery import artifact, finished, free_port, history, server, stage_runs

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def front(status: int = 0, behind: str = "", delay_s: float = 0.0) -> Iterator[str]:
    """A server that answers everything with ``status``; or passes it on and keeps the answer for ``delay_s``."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            code, data = status, b'{"error_code": "INTERNAL_ERROR", "message": "no"}'
            if behind:
                asked = urllib.request.Request(
                    behind + self.path,
                    body or None,
                    {"Content-Type": "application/json"},
                    method=self.command,
                )
                try:
                    with urllib.request.urlopen(asked) as answer:
                        code, data = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    code, data = error.code, error.read()
                time.sleep(delay_s)
            try:
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                self.close_connection = True  # who asked has given up

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815  # the names that http.server calls

        def log_message(self, format: str, *arguments: object) -> None:  # the overridden name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()


@pytest.mark.parametrize("status", [500, 503, 403, 401, 429])
def test_what_a_refusing_server_did_not_take_is_delivered_to_one_that_does_in_order(
    status: int, root: Path
) -> None:
    for stage in ("prepare", "train_teacher", "distill"):
        finished(root, stage)
        time.sleep(0.002)  # MLflow orders by milliseconds
    with front(status) as uri:
        done = deliver(root, uri, "p")
        report = track(root, uri, "p")
    assert (done.finished, done.waiting, done.refused) == (0, 3, 0)  # asked once, not once for each record
    assert "\n" not in (done.reason or "\n")
    assert (report.complete, report.build.run_id) == (False, None)
    assert len(pending(root)) == 3
    own = store.tracking_uri(root, {})
    assert deliver(root, own, "p").finished == 3
    runs = stage_runs(own)
    assert [run.info.run_name for run in runs] == ["prepare", "train_teacher", "distill"]
    assert history(own, runs[0], "train/loss") == [(0, 1.0), (1, 0.5)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a mount namespace")
def test_a_stage_that_fails_because_the_disk_is_full_is_recorded_as_failed_and_not_as_killed(
    tmp_path: Path,
) -> None:
    script = """
import json, sys
from pathlib import Path
from edgebuild.track.outbox import Metrics, Record, pending
root = Path(sys.argv[1])
record = Record.begin(root, stage="s", params={})
record.metrics(0, {"loss": 1.0})
try:
    with (root / "model").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
except OSError as error:
    for epoch in range(1, 400):
        record.metrics(epoch, {"loss": 1.0})
    warning = record.end("FAILED", str(error), {})
(waiting,) = pending(root)
epochs = [event.step for event in waiting.events if isinstance(event, Metrics)]
print(json.dumps([waiting.status, waiting.events[-1].message, epochs[0], len(epochs) < 400, warning]))
"""
    mount = f'mount -t tmpfs -o size=256k tmpfs . && exec {sys.executable} -c "$SCRIPT" "$PWD"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "SCRIPT": script, "PYTHONPATH": str(REPOSITORY / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    status, message, first, lost, warning = json.loads(done.stdout)
    assert (status, first, lost) == ("FAILED", 0, True)
    assert "No space left" in message
    assert "the stage is not affected" in warning


def test_what_was_kept_for_the_end_is_given_back(root: Path) -> None:
    record = Record.begin(root, stage="s", params={})
    folder = record.log.parent
    assert (folder / "reserve").stat().st_size == 65_536
    assert record.end("FINISHED", None, {}) is None
    assert [path.name for path in folder.iterdir()] == ["events.jsonl"]


def test_a_training_goes_on_while_its_server_is_killed_restarted_and_slow(
    root: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root / "server"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "server.db")
    port = free_port()
    courier = Courier(root, f"http://127.0.0.1:{port}", "p")
    record = Record.begin(root, stage="train_teacher", params={"epochs": 5})
    with server(folder, port):
        record.metrics(0, {"loss": 1.0})
        assert courier.run().running == 1
    record.metrics(1, {"loss": 0.5})  # its server has been killed with SIGKILL
    assert courier.run().waiting == 1
    interrupted = Record.begin(root, stage="prune", params={})
    interrupted.log.write_text("epoch 1 of 9\n")
    interrupted.end("KILLED", "KeyboardInterrupt: SIGINT", {})
    with server(folder, port) as (uri, _):
        record.metrics(2, {"loss": 0.25})
        done = courier.run()
        assert (done.running, done.finished) == (1, 1)
        monkeypatch.setitem(store._ENVIRONMENT, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with front(
            behind=uri, delay_s=1.5
        ) as slow:  # does all that it is told, and answers when nobody listens
            record.metrics(3, {"loss": 0.125})
            finished(root, "distill")
            started = time.monotonic()
            assert Courier(root, slow, "p").run().waiting == 2
            assert time.monotonic() - started < 10
        record.end("FAILED", "MemoryError: no", {})
        assert deliver(root, uri, "p").finished == 2
        runs = stage_runs(uri)
        assert [(run.info.run_name, run.info.status) for run in runs] == [
            ("train_teacher", "FAILED"),
            ("prune", "KILLED"),
            ("distill", "FINISHED"),
        ]
        assert history(uri, runs[0], "loss") == [(0, 1.0), (1, 0.5), (2, 0.25), (3, 0.125)]
        assert artifact(uri, runs[1], "log.txt") == b"epoch 1 of 9\n"
        assert "KeyboardInterrupt" in runs[1].data.tags["mlflow.note.content"]
    assert pending(root) == []
