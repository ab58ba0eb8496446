"""Taking the outbox to MLflow: one run per record, exactly once, live while the stage runs.

A run is found by its tag ``edgebuild.record``, which is set in the very call that
creates it; a metric point is (key, step, time), and when a run that exists is taken
up again, the points that it holds are not sent again; params, tags and artifacts
overwrite themselves. A record leaves the outbox after its run has its final status.
So a delivery killed at any point is simply run again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgebuild.track import lock, store
from edgebuild.track.artifacts import ARTIFACT_LIMIT, gather, stored_elsewhere, upload
from edgebuild.track.mutex import delivery_lock
from edgebuild.track.note import failure_note
from edgebuild.track.outbox import (
    LOG_FILE,
    RESERVE_FILE,
    Artifact,
    Begin,
    End,
    Event,
    Metrics,
    read,
    record_folders,
)
from edgebuild.track.outcome import Delivered, concerns_record, one_line
from edgebuild.track.process import is_alive

__all__ = ["Courier", "Delivered", "deliver"]


@dataclass
class _Cursor:
    """How far a record is delivered: its run, the offset in its events, the points sent before us."""

    run_id: str
    begin: Begin
    offset: int
    sent: set[tuple[str, int, int]] = field(default_factory=set)
    last_ms: int = 0
    resumed: bool = False


def deliver(
    root: Path, tracking_uri: str, project: str, *, artifact_limit: int = ARTIFACT_LIMIT, wait_s: float = 60.0
) -> Delivered:
    """Deliver everything that is in the outbox now. Never raises for a store that cannot be reached."""
    return Courier(root, tracking_uri, project, artifact_limit).run(wait_s)


class Courier:
    """Repeated delivery that remembers how far each live record has been taken."""

    def __init__(self, root: Path, uri: str, project: str, artifact_limit: int = ARTIFACT_LIMIT) -> None:
        self._root, self._uri, self._project, self._limit = root, uri, project, artifact_limit
        self._cursors: dict[str, _Cursor] = {}

    def run(self, wait_s: float = 60.0) -> Delivered:
        """One pass over the outbox, oldest record first; imports mlflow only if there is something new."""
        try:
            with delivery_lock(self._root, wait_s) as previous:
                if previous is None:
                    return self._refused(f"another process delivers (waited {wait_s:.0f} s)")
                if previous != os.getpid():
                    self._cursors.clear()  # someone else delivered in between: look up what it sent
                return self._run()
        except OSError as error:
            return self._refused(f"{self._root / '.edgebuild'} cannot be used: {error}")

    def _refused(self, reason: str) -> Delivered:
        return Delivered(0, 0, len(record_folders(self._root)), reason)

    def _run(self) -> Delivered:
        finished = running = waiting = refused = 0
        reason: str | None = None
        folders = record_folders(self._root)
        with ExitStack() as stack:
            client: Any = None
            experiment = ""
            for position, folder in enumerate(folders):
                cursor = self._cursors.get(folder.name)
                begin = cursor.begin if cursor else _begin(folder)
                if begin is None:
                    _sweep(folder)
                    continue
                alive = is_alive(begin.process)  # asked before reading, so that a dead one is read to its end
                events, offset = read(folder, cursor.offset if cursor else 0)
                if alive and cursor and not events:
                    running += 1
                    continue
                try:
                    if client is None:
                        client = stack.enter_context(store.connect(self._root, self._uri))
                        experiment = store.experiment_id(
                            client, self._root, self._uri, f"{self._project}/stages"
                        )
                    done = self._send(client, experiment, folder, begin, events, offset, alive)
                except Exception as error:  # mlflow, sqlalchemy, alembic and requests each raise their own
                    self._cursors.pop(folder.name, None)  # how much arrived is unknown: look it up next time
                    reason = f"{store.shown(self._uri)}, stage {begin.stage}: {one_line(error)}"
                    if not concerns_record(error):
                        self._cursors.clear()
                        waiting += len(folders) - position
                        break
                    waiting, refused = waiting + 1, refused + 1
                    continue
                finished, running = finished + done, running + (not done)
        return Delivered(finished, running, waiting, reason, refused)

    def _send(
        self,
        client: Any,
        experiment: str,
        folder: Path,
        begin: Begin,
        events: list[Event],
        offset: int,
        alive: bool,
    ) -> bool:
        """Send new events of one record; True when it is complete and has left the outbox."""
        from mlflow.entities import Metric

        cursor = self._cursors.get(folder.name)
        if cursor is None:
            run, resumed = _find_or_create(client, experiment, begin)
            if run.info.status != "RUNNING":  # all but the removal was done when the last delivery died
                _remove(folder)
                return True
            cursor = _Cursor(run.info.run_id, begin, 0, last_ms=begin.time_ms, resumed=resumed)
            if resumed:
                cursor.sent = _points(client, run)
            cut = store.log_in_batches(client, cursor.run_id, params=lock.flatten(begin.params))
            if cut:
                client.log_dict(cursor.run_id, cut, "long_params.json")
        metrics = [
            Metric(key, value, event.time_ms, event.step or 0)
            for event in events
            if isinstance(event, Metrics)
            for key, value in ((store.safe_key(name), value) for name, value in event.values.items())
            if (key, event.step or 0, event.time_ms) not in cursor.sent
        ]
        store.log_in_batches(client, cursor.run_id, metrics=metrics)
        cursor.offset = offset
        cursor.last_ms = max([cursor.last_ms, *(event.time_ms for event in events)])
        self._cursors[folder.name] = cursor
        end = next((event for event in events if isinstance(event, End)), None)
        if end is None and alive:
            return False
        if end is None:
            message = f"process {begin.pid} ended without a word: killed, or out of memory"
            end = End(cursor.last_ms, "KILLED", message, {})
        _finish(client, experiment, self._root, self._limit, folder, cursor, end)
        self._cursors.pop(folder.name, None)
        return True


def _begin(folder: Path) -> Begin | None:
    return next((event for event in read(folder)[0] if isinstance(event, Begin)), None)


def _find_or_create(client: Any, experiment: str, begin: Begin) -> tuple[Any, bool]:
    """The run of a record and whether it existed; of doubles (a lost answer) the oldest stays."""
    runs = client.search_runs(
        [experiment], f"tags.`edgebuild.record` = '{begin.record}'", order_by=["attributes.start_time ASC"]
    )
    if runs:
        for double in runs[1:]:
            client.delete_run(double.info.run_id)
        return runs[0], True
    tags = {
        "edgebuild.record": begin.record,
        "edgebuild.stage": begin.stage,
        "edgebuild.revision": begin.revision,
        "edgebuild.deps": store.tag_text(json.dumps(list(begin.deps))),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"dvc.yaml:{begin.stage}",
        "mlflow.source.git.commit": begin.revision.removesuffix("-dirty"),
        **{f"edgebuild.{key}": value for key, value in begin.facts.items()},
    }
    tags = {key: value for key, value in tags.items() if value}
    return client.create_run(experiment, start_time=begin.time_ms, tags=tags, run_name=begin.stage), False


def _points(client: Any, run: Any) -> set[tuple[str, int, int]]:
    """(key, step, time in ms) of every metric point that a run holds."""
    return {
        (point.key, point.step, point.timestamp)
        for key in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, key)
    }


def _finish(
    client: Any, experiment: str, root: Path, limit: int, folder: Path, cursor: _Cursor, end: End
) -> None:
    files = {event.path: event.md5 for event in read(folder)[0] if isinstance(event, Artifact)} | dict(
        end.outs
    )
    begin, tags = cursor.begin, {}
    if end.status == "FINISHED":
        tags["edgebuild.entry"] = lock.entry_key(begin.stage, begin.params, end.outs)
    elsewhere = stored_elsewhere(client, experiment, tags.get("edgebuild.entry"), cursor.run_id)
    log = folder / LOG_FILE
    with tempfile.TemporaryDirectory() as scratch:
        gather(root, files, limit, Path(scratch), elsewhere)
        if log.exists():
            shutil.copyfile(log, Path(scratch) / LOG_FILE)
        upload(client, cursor.run_id, Path(scratch), again=cursor.resumed)
    if end.message:
        tags["edgebuild.message"] = end.message
    if end.status != "FINISHED":
        said = log.read_text(errors="replace") if log.exists() else ""
        tags["mlflow.note.content"] = failure_note(end.message or end.status, said)
    store.set_tags(client, cursor.run_id, tags)
    client.set_terminated(cursor.run_id, end.status, end.time_ms)
    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a record; its events go last, so that a half-removed one is still recognized as delivered."""
    for name in (LOG_FILE, RESERVE_FILE):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _sweep(folder: Path) -> None:
    """Remove a folder whose writer died before its first line (a minute is ample for writing one)."""
    if time.time() - folder.stat().st_mtime > 60:
        shutil.rmtree(folder)
