"""Publishing a build: one run in ``<project>/builds`` per state of dvc.lock, every variant in it.

A build is found by its key (`edgebuild.track.lock.build_key`), so a build that
returns after a reverted change is the old run, not a new one. It links by entry keys
to the run of each of its stages, cached or not. Where the store knows no such run
(a new store, a pulled cache), one is written from the dvc.lock entry, tagged
``edgebuild.origin = dvc.lock``: it has parameters and hashes, but no curves and no duration.

Its variants are LoggedModels (`edgebuild.track.variants`), its outputs; their numbers are
repeated on the run as ``<variant>/accuracy``, so that builds compare row by row. What
changed since the build seen before it, and which variant is best, is in its name, in
its description and in tags that the view of `edgebuild.track.views` shows as columns.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.track import previous, store, views
from edgebuild.track.highlights import highlights
from edgebuild.track.lock import Entry
from edgebuild.track.note import build_note
from edgebuild.track.revision import revision
from edgebuild.track.state import BuildState, read_state
from edgebuild.track.surroundings import facts
from edgebuild.track.variants import dataset_input, logged_model, supply, variant_metrics

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
        table: the page of all builds.
        reason: why nothing was published, and the way out.
    """

    key: str | None = None
    run_id: str | None = None
    created: bool = False
    executed: int = 0
    cached: int = 0
    variants: int = 0
    link: str | None = None
    table: str | None = None
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
        done = next((run for run in found if run.info.status == "FINISHED"), None)
        if done is not None:
            _seen_again(client, done, revision(root))
            supply(client, root, builds, state)
            run_id = done.info.run_id
            executed, cached = (int(done.data.tags[f"edgebuild.{name}"]) for name in ("executed", "cached"))
        else:
            for half in found:
                client.delete_run(half.info.run_id)
            stages = store.experiment_id(client, root, tracking_uri, f"{project}/stages")
            runs = {
                name: _stage_run(client, stages, entry, state.key) for name, entry in state.entries.items()
            }
            executed = sum(first for _, first in runs.values())
            cached = len(runs) - executed
            run_id = _write(client, root, (builds, stages), project, state, runs)
        return Build(
            key=state.key,
            run_id=run_id,
            created=done is None,
            executed=executed,
            cached=cached,
            variants=len(state.variants),
            link=store.link(tracking_uri, builds, run_id),
            table=store.link(tracking_uri, builds),
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


def _seen_again(client: Any, run: Any, commit: str) -> None:
    """Note that a published build is the present one, and the commit that holds it by now."""
    client.set_tag(run.info.run_id, "edgebuild.last_seen", _now())
    if commit and not commit.endswith("-dirty") and commit != run.data.tags.get("edgebuild.revision"):
        client.set_tag(run.info.run_id, "edgebuild.revision", commit)
        client.set_tag(run.info.run_id, "mlflow.source.git.commit", commit)


def _write(
    client: Any,
    root: Path,
    experiments: tuple[str, str],
    project: str,
    state: BuildState,
    runs: Mapping[str, tuple[str, bool]],
) -> str:
    from mlflow.entities import LoggedModelOutput

    experiment, stages = experiments
    executed = sum(first for _, first in runs.values())
    counts = (executed, len(runs) - executed)
    earlier = previous.builds(client, experiment)
    best = highlights(state.variants, state.latency, state.reference)
    changed = previous.changes_since(client, earlier[0], state) if earlier else None
    name = f"{changed.short() if changed else 'first build'} · {state.key[:8]}"
    tags = _tags(project, state, runs, counts, revision(root)) | facts(root, state) | best.named()
    tags["changed"] = changed.sentence() if changed else "first build"
    if earlier:
        tags["edgebuild.previous"] = earlier[0].info.run_id
    run_id: str = client.create_run(
        experiment, tags={key: store.tag_text(value) for key, value in tags.items() if value}, run_name=name
    ).info.run_id
    cut = store.log_in_batches(client, run_id, params=state.params, metrics=_metrics(state, best.named()))
    dataset = dataset_input(state)
    client.log_inputs(run_id, datasets=[dataset])
    makers = {path: runs[name][0] for name, entry in state.entries.items() for path in entry.outs}
    models = [
        logged_model(client, root, experiment, variant, state, makers.get(variant["path"], run_id), dataset)
        for variant in state.variants
    ]
    client.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, 0) for model in models])
    note = build_note(
        state,
        best,
        changed,
        (earlier[0].info.run_name, store.page(experiment, earlier[0].info.run_id)) if earlier else None,
        earlier[0].data.metrics if earlier else {},
        counts,
        {
            "all builds": store.page(experiment),
            **{name: store.page(stages, run) for name, (run, _) in runs.items()},
            **{model.name: store.model_page(experiment, model.model_id) for model in models},
        },
    )
    client.set_tag(run_id, "mlflow.note.content", store.tag_text(note))
    _upload(client, root, run_id, state, cut)
    params = [{key: store.param_text(value) for key, value in state.params.items()}]
    for key, value in views.tags([*params, *(run.data.params for run in earlier)], _now_ms()).items():
        client.set_experiment_tag(experiment, key, value)
    client.set_terminated(run_id, "FINISHED")  # last: only a finished run counts as the build
    return run_id


def _tags(
    project: str,
    state: BuildState,
    runs: Mapping[str, tuple[str, bool]],
    counts: tuple[int, int],
    commit: str,
) -> dict[str, str]:
    return {
        "edgebuild.build": state.key,
        "edgebuild.lock": state.lock_digest,
        "edgebuild.revision": commit,
        "edgebuild.executed": str(counts[0]),
        "edgebuild.cached": str(counts[1]),
        "edgebuild.last_seen": _now(),
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": project,
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        **{store.stage_tag(name): run_id for name, (run_id, _) in runs.items()},
    }


def _metrics(state: BuildState, best: Mapping[str, str]) -> list[Any]:
    """Every variant's numbers under its id, and those of the best ones under ``smallest`` and ``fastest``."""
    from mlflow.entities import Metric

    now = _now_ms()
    variants = {
        variant["id"]: variant_metrics(variant, state.latency.get(variant["id"], {}))
        for variant in state.variants
    }
    # The best come first: the UI lists metrics in this order, and draws the first one when builds are compared.
    values = {word: variants[identity] for word, identity in best.items()} | variants
    return [
        Metric(store.safe_key(f"{name}/{key}"), value, now, 0)
        for name, numbers in values.items()
        for key, value in numbers.items()
    ]


def _upload(client: Any, root: Path, run_id: str, state: BuildState, cut: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for path in state.files:
            copy = Path(scratch) / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, copy)
        if cut:
            (Path(scratch) / "long_params.json").write_text(json.dumps(cut, indent=1))
        client.log_artifacts(run_id, scratch)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
