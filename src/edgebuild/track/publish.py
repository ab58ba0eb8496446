"""Publishing a build: one run in ``<project>/builds`` per state of dvc.lock, every variant in it.

A build is found by its key (`edgebuild.track.lock.build_key`), so a build that
returns after a reverted change is the old run, not a new one. It links by entry keys
to the run of each of its stages, cached or not. Where the store knows no such run
(a new store, a pulled cache), one is written from the dvc.lock entry, tagged
``edgebuild.origin = dvc.lock``: it has parameters and hashes, but no curves and no duration.

Each distinct file of a variant is one LoggedModel, shared by all builds that contain it.
Its metrics are logged on the run of the stage that made the file, under plain names
(``accuracy``), so that models compare column by column; the build's run has them as
``<variant>/accuracy``, so that builds do.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.track import store
from edgebuild.track.lock import Entry
from edgebuild.track.revision import revision
from edgebuild.track.state import BuildState, read_state

__all__ = ["Build", "publish_build"]


@dataclass(frozen=True)
class Build:
    """The published build, or why there is none.

    Attributes:
        key: of the dvc.lock state; None without a publishable one.
        run_id: its run; None without a publishable state.
        created: False when the build was already published (its ``edgebuild.last_seen`` is renewed).
        executed: stages whose outputs were first made for this build.
        cached: its other stages.
        variants: number of variants.
        link: the run's page.
        reason: why nothing was published, and the way out.
    """

    key: str | None = None
    run_id: str | None = None
    created: bool = False
    executed: int = 0
    cached: int = 0
    variants: int = 0
    link: str | None = None
    reason: str | None = None


def publish_build(root: Path, tracking_uri: str, project: str) -> Build:
    """Publish the build that lies in the repository ``root``, unless it is already.

    Call it under the delivery lock and after the delivery, so that the stages' runs are there.
    Raises whatever mlflow raises when the store cannot be reached; run again, it
    removes what was left half-written and starts afresh.
    """
    state = read_state(root)
    if isinstance(state, str):
        return Build(reason=state)
    with store.connect(root, tracking_uri) as client:
        builds = store.experiment_id(client, root, tracking_uri, f"{project}/builds")
        found = client.search_runs([builds], f"tags.`edgebuild.build` = '{state.key}'")
        for run in found:
            if run.info.status == "FINISHED":
                client.set_tag(run.info.run_id, "edgebuild.last_seen", _now())
                executed, cached = (
                    int(run.data.tags[f"edgebuild.{name}"]) for name in ("executed", "cached")
                )
                created = False
                run_id = run.info.run_id
                break
        else:
            for half in found:
                client.delete_run(half.info.run_id)
            stages = store.experiment_id(client, root, tracking_uri, f"{project}/stages")
            runs = {
                name: _stage_run(client, stages, entry, state.key) for name, entry in state.entries.items()
            }
            executed = sum(first for _, first in runs.values())
            cached = len(runs) - executed
            created = True
            run_id = _write(client, root, builds, project, state, runs)
        return Build(
            key=state.key,
            run_id=run_id,
            created=created,
            executed=executed,
            cached=cached,
            variants=len(state.variants),
            link=store.link(tracking_uri, builds, run_id),
        )


def _stage_run(client: Any, experiment: str, entry: Entry, build: str) -> tuple[str, bool]:
    """The run that made this entry, and whether this build is the first to contain it."""
    order = ["attributes.start_time DESC"]
    found = client.search_runs([experiment], f"tags.`edgebuild.entry` = '{entry.key}'", order_by=order)
    for run in sorted(found, key=lambda run: "edgebuild.origin" in run.data.tags):  # executed ones come first
        if run.info.status == "FINISHED":
            if "edgebuild.origin" in run.data.tags:
                return run.info.run_id, False
            first = run.data.tags.get("edgebuild.first_build")
            if first is None:
                client.set_tag(run.info.run_id, "edgebuild.first_build", build)
            return run.info.run_id, first in (None, build)
        if "edgebuild.origin" in run.data.tags:
            client.delete_run(run.info.run_id)  # half-written below when a publication died
    tags = {"edgebuild.stage": entry.stage, "edgebuild.entry": entry.key, "edgebuild.origin": "dvc.lock"}
    run_id: str = client.create_run(experiment, tags=tags, run_name=entry.stage).info.run_id
    store.log_in_batches(client, run_id, params=entry.params)
    client.log_dict(run_id, {path: {"md5": md5} for path, md5 in entry.outs.items()}, "outs.json")
    client.set_terminated(run_id, "FINISHED")
    return run_id, False


def _write(
    client: Any,
    root: Path,
    experiment: str,
    project: str,
    state: BuildState,
    runs: Mapping[str, tuple[str, bool]],
) -> str:
    from mlflow.entities import LoggedModelInput, Metric

    executed = sum(first for _, first in runs.values())
    commit = revision(root)
    tags = {
        "edgebuild.build": state.key,
        "edgebuild.revision": commit,
        "edgebuild.executed": str(executed),
        "edgebuild.cached": str(len(runs) - executed),
        "edgebuild.last_seen": _now(),
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": project,
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        **{store.safe_key(f"stage.{name}"): run_id for name, (run_id, _) in runs.items()},
    }
    tags = {key: value for key, value in tags.items() if value}
    run_id: str = client.create_run(experiment, tags=tags, run_name=f"build-{state.key[:8]}").info.run_id
    cut = store.log_in_batches(client, run_id, params=state.params)
    now = int(time.time() * 1000)
    metrics = [
        Metric(store.safe_key(f"{variant['id']}/{name}"), value, now, 0)
        for variant in state.variants
        for name, value in variant_metrics(variant, state.latency.get(variant["id"], {})).items()
    ]
    store.log_in_batches(client, run_id, metrics=metrics)
    dataset = _dataset(state)
    client.log_inputs(run_id, datasets=[dataset])
    makers = {path: runs[name][0] for name, entry in state.entries.items() for path in entry.outs}
    models = [
        _model(client, experiment, variant, state, makers.get(variant["path"], run_id), dataset)
        for variant in state.variants
    ]
    client.log_inputs(run_id, models=[LoggedModelInput(model_id) for model_id in models])
    with tempfile.TemporaryDirectory() as scratch:
        for path in state.files:
            copy = Path(scratch) / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, copy)
        if cut:
            (Path(scratch) / "long_params.json").write_text(json.dumps(cut, indent=1))
        client.log_artifacts(run_id, scratch)
    client.set_terminated(run_id, "FINISHED")  # last: only a finished run counts as the build
    return run_id


def _model(
    client: Any, experiment: str, variant: Mapping[str, Any], state: BuildState, maker: str, dataset: Any
) -> str:
    """The LoggedModel of a variant's file, made when new; metrics are added where they changed."""
    import mlflow
    from mlflow.entities import Metric

    key = hashlib.sha256(f"{variant['id']}:{variant['sha256']}".encode()).hexdigest()
    found = client.search_logged_models([experiment], filter_string=f"tags.`edgebuild.variant` = '{key}'")
    ready = [model for model in found if str(model.status) == "READY"]
    for half in found:
        if half not in ready:
            client.delete_logged_model(half.model_id)
    latency = state.latency.get(variant["id"], {})
    if ready:
        model = ready[0]
    else:
        facts = {name: variant.get(name) for name in ("format", "precision", "model", "sha256", "path")}
        facts["threads"] = latency.get("threads")
        facts["not_run"] = latency.get("not_run")
        model = mlflow.create_external_model(
            name=variant["id"],
            source_run_id=maker,
            tags={"edgebuild.variant": key},
            params={name: store.param_text(value) for name, value in facts.items() if value is not None},
            model_type=f"{variant.get('format')}/{variant.get('precision')}",
            experiment_id=experiment,
        )
    latest = {
        metric.key: metric.value
        for metric in sorted(model.metrics or (), key=lambda metric: metric.timestamp)
    }
    now = int(time.time() * 1000)
    name, digest = dataset.dataset.name, dataset.dataset.digest
    changed = [
        Metric(key, value, now, 0, model_id=model.model_id, dataset_name=name, dataset_digest=digest)
        for key, value in variant_metrics(variant, latency).items()
        if latest.get(key) != value
    ]
    if changed:
        client.log_inputs(maker, datasets=[dataset])
        store.log_in_batches(client, maker, metrics=changed)
    return str(model.model_id)


def variant_metrics(variant: Mapping[str, Any], latency: Mapping[str, Any]) -> dict[str, float]:
    """All numbers of one variant's entries of summary.json and latency.json, under flat names.

    Pairs become ``…_low`` and ``…_high``, percentiles ``latency_p50_us``; nulls are left out, never zero.
    """
    flat: dict[str, Any] = dict(variant)
    for name, value in variant.items():
        if isinstance(value, list) and len(value) == 2:
            flat |= {f"{name}_low": value[0], f"{name}_high": value[1]}
    flat |= {f"latency_{name}_us": value for name, value in (latency.get("latency_us") or {}).items()}
    flat |= {name: value for name, value in latency.items() if name != "threads"}
    return {name: value for name, value in flat.items() if type(value) in (int, float)}


def _dataset(state: BuildState) -> Any:
    """The test data as summary.json describes it, as an MLflow dataset input with a digest of its own."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    text = json.dumps(state.dataset, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]  # MLflow takes 36 characters
    name = str(state.dataset.get("name", "dataset"))
    dataset = Dataset(name, digest, source_type="dvc", source=json.dumps({"path": "dvc.lock"}), profile=text)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "test")])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
