"""Variants as LoggedModels: one for each distinct file, shared by all builds that contain it.

A LoggedModel is found by a key over the variant's id and the content of its file, so a
file that is stored is never uploaded again. Its metrics are logged on the run of the
stage that made the file, tied to model and dataset, under plain names
(``accuracy``), so that models compare column by column.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgebuild.build.digest import md5
from edgebuild.track import store
from edgebuild.track.packaging import package
from edgebuild.track.state import BuildState

__all__ = ["dataset_input", "logged_model", "supply", "variant_key", "variant_metrics"]

#: Tags of a LoggedModel: its key; whether its file is in the store ("yes") or only in DVC ("no");
#: and why MLflow cannot load it, if so.
KEY_TAG, STORED_TAG, BARE_TAG = "edgebuild.variant", "edgebuild.stored", "edgebuild.not_loadable"


def logged_model(
    client: Any,
    root: Path,
    experiment: str,
    variant: Mapping[str, Any],
    state: BuildState,
    maker: str,
    dataset: Any,
) -> Any:
    """The LoggedModel of a variant's file, made when new; metrics are added where they changed.

    ``maker`` is the run of the stage that wrote the file. A file that does not lie in the
    workspace (a clone that pulled no models) is made up for by a later build that has it.
    """
    key = variant_key(variant)
    found = client.search_logged_models([experiment], filter_string=f"tags.`{KEY_TAG}` = '{key}'")
    ready = [model for model in found if str(model.status) == "READY"]
    for half in found:
        if half not in ready:
            client.delete_logged_model(half.model_id)
    timing = state.latency.get(variant["id"], {})
    model = ready[0] if ready else _create(client, experiment, variant, timing, key, maker, root, state)
    if ready and model.tags.get(STORED_TAG) != "yes" and _is_here(root, variant, state):
        _upload(client, root, variant, model)
        client.set_logged_model_tags(model.model_id, {STORED_TAG: "yes"})
    latest = {
        metric.key: metric.value
        for metric in sorted(model.metrics or (), key=lambda metric: metric.timestamp)
    }
    _log_changed(client, model.model_id, latest, variant_metrics(variant, timing), maker, dataset)
    return model


def variant_key(variant: Mapping[str, Any]) -> str:
    """What a LoggedModel is found by: SHA-256 over the variant's id and the digest of its file."""
    return hashlib.sha256(f"{variant['id']}:{variant['sha256']}".encode()).hexdigest()


def supply(client: Any, root: Path, experiment: str, state: BuildState) -> None:
    """Give the store the files of ``state`` that it lacks and that lie here by now (``dvc pull``)."""
    lacking = client.search_logged_models([experiment], f"tags.`{STORED_TAG}` = 'no'")
    models = {model.tags[KEY_TAG]: model for model in lacking if str(model.status) == "READY"}
    for variant in state.variants if models else ():
        model = models.get(variant_key(variant))
        if model is not None and _is_here(root, variant, state):
            _upload(client, root, variant, model)
            client.set_logged_model_tags(model.model_id, {STORED_TAG: "yes"})


def _create(
    client: Any,
    experiment: str,
    variant: Mapping[str, Any],
    timing: Mapping[str, Any],
    key: str,
    maker: str,
    root: Path,
    state: BuildState,
) -> Any:
    facts = {name: variant.get(name) for name in ("format", "precision", "model", "sha256", "path")}
    facts |= {"threads": timing.get("threads"), "not_run": timing.get("not_run")}
    here = _is_here(root, variant, state)
    model = client.create_logged_model(
        experiment,
        name=variant["id"],
        source_run_id=maker,
        tags={KEY_TAG: key, STORED_TAG: "yes" if here else "no"},
        params={name: store.param_text(value) for name, value in facts.items() if value is not None},
        model_type=f"{variant.get('format')}/{variant.get('precision')}",
    )
    if here:
        _upload(client, root, variant, model)
    return client.finalize_logged_model(model.model_id, "READY")  # last: only a ready model has its file


def _is_here(root: Path, variant: Mapping[str, Any], state: BuildState) -> bool:
    """Whether the workspace holds the file that dvc.lock records."""
    path = variant["path"]
    recorded = next((entry.outs[path] for entry in state.entries.values() if path in entry.outs), None)
    return recorded is not None and (root / path).exists() and md5(root / path) == recorded


def _upload(client: Any, root: Path, variant: Mapping[str, Any], model: Any) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        if bare := package(root, variant, folder, model):
            client.set_logged_model_tags(model.model_id, {BARE_TAG: store.tag_text(bare)})
        client.log_model_artifacts(model.model_id, str(folder))


def _log_changed(
    client: Any,
    model_id: str,
    latest: Mapping[str, float],
    values: Mapping[str, float],
    maker: str,
    dataset: Any,
) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    name, digest = dataset.dataset.name, dataset.dataset.digest
    changed = [
        Metric(key, value, now, 0, model_id=model_id, dataset_name=name, dataset_digest=digest)
        for key, value in values.items()
        if latest.get(key) != value
    ]
    if changed:
        client.log_inputs(maker, datasets=[dataset])
        store.log_in_batches(client, maker, metrics=changed)


def variant_metrics(variant: Mapping[str, Any], latency: Mapping[str, Any]) -> dict[str, float]:
    """All numbers of one variant's entries of summary.json and latency.json, under flat names.

    Pairs become ``…_low`` and ``…_high``, percentiles ``latency_p50_us``; nulls are left out, never zero.
    """
    # The figures of a task are named after the user's own targets, in which MLflow takes few characters.
    figures: Mapping[str, Any] = variant.get("metrics", {})
    flat = {re.sub(r"[^\w./: -]", "_", name, flags=re.ASCII): value for name, value in figures.items()}
    flat.update(variant)
    for name, value in variant.items():
        if isinstance(value, list) and len(value) == 2:
            flat |= {f"{name}_low": value[0], f"{name}_high": value[1]}
    flat |= {f"latency_{name}_us": value for name, value in (latency.get("latency_us") or {}).items()}
    flat |= {name: value for name, value in latency.items() if name != "threads"}
    return {name: value for name, value in flat.items() if type(value) in (int, float)}


def dataset_input(state: BuildState) -> Any:
    """The test data as summary.json describes it, as an MLflow dataset input with a digest of its own."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    text = json.dumps(state.dataset, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]  # MLflow takes 36 characters
    name = str(state.dataset.get("name", "dataset"))
    dataset = Dataset(name, digest, source_type="dvc", source=json.dumps({"path": "dvc.lock"}), profile=text)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "test")])
