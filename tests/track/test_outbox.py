from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.track.outbox import Artifact, Begin, End, Metrics, Record, pending, read


def test_what_was_written_is_read_back_in_order(tmp_path: Path) -> None:
    record = Record.begin(
        tmp_path, stage="export@litert-int8", params={"a": {"b": 1}}, deps=["x.py"], revision="c0"
    )
    record.metrics(0, {"loss": 0.5})
    record.artifact(tmp_path / "plots" / "a.png", "d41d", 7)
    assert record.end("FINISHED", None, {"models/m": "abc.dir"}) is None
    (waiting,) = pending(tmp_path)
    begin, metrics, artifact, end = waiting.events
    assert isinstance(begin, Begin)
    assert (begin.stage, begin.params, begin.deps, begin.revision) == (
        "export@litert-int8",
        {"a": {"b": 1}},
        ["x.py"],
        "c0",
    )
    assert begin.pid == os.getpid()
    assert isinstance(metrics, Metrics)
    assert (metrics.step, metrics.values) == (0, {"loss": 0.5})
    assert isinstance(artifact, Artifact)
    assert (artifact.path, artifact.size) == ("plots/a.png", 7)
    assert isinstance(end, End)
    assert waiting.status == "FINISHED"
    assert end.outs == {"models/m": "abc.dir"}


def test_records_are_listed_oldest_first(tmp_path: Path) -> None:
    for stage in ("z", "a", "m"):
        Record.begin(tmp_path, stage=stage, params={}).end("FINISHED", None, {})
    assert [waiting.begin.stage for waiting in pending(tmp_path)] == ["z", "a", "m"]


def test_a_living_process_without_an_end_is_running_and_a_killed_one_is_killed(tmp_path: Path) -> None:
    live = Record.begin(tmp_path, stage="live", params={})
    child = os.fork()
    if child == 0:
        Record.begin(tmp_path, stage="dead", params={}).metrics(1, {"loss": 1.0})
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert {waiting.begin.stage: waiting.status for waiting in pending(tmp_path)} == {
        "live": "RUNNING",
        "dead": "KILLED",
    }
    live.end("FINISHED", None, {})


@given(cut=st.integers(min_value=1, max_value=40))
def test_a_torn_last_line_is_ignored(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    root = tmp_path_factory.mktemp("root")
    record = Record.begin(root, stage="s", params={})
    record.metrics(1, {"loss": 0.25})
    record.metrics(2, {"loss": 0.125})
    record.end("FINISHED", None, {})
    file = root / ".edgebuild" / "outbox" / record.id / "events.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3])[:-cut])
    events, offset = read(file.parent)
    assert [type(event) for event in events] == [Begin, Metrics]
    assert offset == len(lines[0]) + len(lines[1])


def test_an_event_after_a_torn_one_is_not_lost(tmp_path: Path) -> None:
    """A file size limit makes a real short write, as a full disk does."""
    script = """
import resource, signal, sys
from pathlib import Path
from edgebuild.track.outbox import Record
record = Record.begin(Path(sys.argv[1]), stage="s", params={})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = (Path(sys.argv[1]) / ".edgebuild" / "outbox" / record.id / "events.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
record.metrics(1, {"loss": 1.0})
record.metrics(2, {"loss": 1.0})
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
record.metrics(3, {"loss": 1.0})
print(record.end("FINISHED", None, {}))
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    (waiting,) = pending(tmp_path)
    assert [event.step for event in waiting.events if isinstance(event, Metrics)] == [3]
    assert waiting.status == "FINISHED"
    assert "wrote 20 of" in run.stdout
    assert (
        resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    )  # only the child's was lowered


def test_a_reader_continues_where_it_stopped(tmp_path: Path) -> None:
    record = Record.begin(tmp_path, stage="s", params={})
    folder = tmp_path / ".edgebuild" / "outbox" / record.id
    first, offset = read(folder)
    record.metrics(None, {"loss": math.nan})
    second, _ = read(folder, offset)
    assert [type(event) for event in first + second] == [Begin, Metrics]
    record.end("FINISHED", None, {})


def test_an_outbox_that_cannot_be_made_costs_one_warning_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".edgebuild").write_text("a file where the folder should be")
    record = Record.begin(tmp_path, stage="s", params={})
    record.metrics(1, {"loss": 1.0})
    record.artifact(tmp_path / "x", "", 0)
    warning = record.end("FINISHED", None, {})
    assert warning is not None
    assert "the stage is not affected" in warning
    assert pending(tmp_path) == []


def test_a_value_that_is_no_number_is_a_warning_and_other_events_are_kept(tmp_path: Path) -> None:
    record = Record.begin(tmp_path, stage="s", params={"path": Path("x")})
    record.metrics(1, {"loss": "low"})  # type: ignore[dict-item]
    record.metrics(2, {"loss": 1.0})
    warning = record.end("FINISHED", None, {})
    assert warning is not None
    assert "ValueError" in warning
    assert [event.step for event in pending(tmp_path)[0].events if isinstance(event, Metrics)] == [2]


def test_events_of_threads_do_not_mix(tmp_path: Path) -> None:
    record = Record.begin(tmp_path, stage="s", params={})

    def write(step: int) -> None:
        for _ in range(50):
            record.metrics(step, {"loss": float(step)})

    threads = [threading.Thread(target=write, args=(step,)) for step in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record.end("FINISHED", None, {})
    events = [event for event in pending(tmp_path)[0].events if isinstance(event, Metrics)]
    assert len(events) == 200
    assert all(event.values == {"loss": event.step} for event in events)


def test_importing_the_outbox_is_cheap_and_brings_no_vendor_library() -> None:
    code = (
        "import time, sys, dataclasses, json, pathlib; start = time.process_time();"
        " import edgebuild.track.outbox, edgebuild.track.daemon;"
        "print(time.process_time() - start, 'mlflow' in sys.modules, 'dvc' in sys.modules)"
    )
    shown = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(5)
    ]
    assert min(float(run[0]) for run in shown) < 0.05  # above what any stage has imported; of five runs
    assert {tuple(run[1:]) for run in shown} == {("False", "False")}
