"""Two builds as they lie in a repository when they are done, published without training anything.

Names, params and figures are those of the default build and of the same with less of the student kept; what
ran between them is told by records, as stages write them. One model file is a real one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from edgebuild.formats.registry import open_writer
from edgebuild.track import store
from edgebuild.track.outbox import Record
from edgebuild.track.sync import track
from edgebuild.variant import ENDINGS
from tests.networks import lowered, network

__all__ = ["PROJECT", "Published", "publish"]

PROJECT = "edgebuild"
LOADABLE = "pruned-litert-int8"
#: keep → variant → size in bytes, accuracy on 400 images, median time in µs (None: Core ML off macOS).
FIGURES: dict[float, dict[str, tuple[int, float, float | None]]] = {
    0.5: {
        "teacher-keras-fp32": (1353271, 0.9925, 346.727),
        "pruned-litert-fp32": (12281, 0.9925, 2.384),
        LOADABLE: (7913, 0.99, 2.494),
        "pruned-onnx-int8": (5835, 0.99, 10.706),
        "pruned-onnx-w4": (3753, 0.9875, 6.449),
        "pruned-coreml-int8": (15567, 0.99, None),
    },
    0.35: {
        "teacher-keras-fp32": (1353271, 0.9925, 346.727),
        "pruned-litert-fp32": (9801, 0.9925, 2.301),
        LOADABLE: (6809, 0.9925, 2.544),
        "pruned-onnx-int8": (5095, 0.9925, 10.58),
        "pruned-onnx-w4": (3249, 0.99, 6.402),
        "pruned-coreml-int8": (14463, 0.9925, None),
    },
}
PICTURE = Path(__file__).parents[2] / "docs/images/accuracy-size.png"


@dataclass(frozen=True)
class Published:
    """A store of two builds: the earlier one and what was built after it."""

    root: Path
    experiment: str
    earlier: str
    later: str
    model: str


def publish(root: Path) -> Published:
    """Write, record and publish both builds in ``root``, into its own ``mlflow.db``."""
    uri = store.tracking_uri(root, {})
    builds = []
    for keep in FIGURES:
        _write(root, keep)
        report = track(root, uri, PROJECT)
        assert report.complete, report.lines()
        builds.append(str(report.build.run_id))
    with store.connect(root, uri) as client:
        experiment = client.get_experiment_by_name(f"{PROJECT}/builds").experiment_id
        models = client.search_logged_models([experiment], filter_string=f"name = '{LOADABLE}'")
    latest = max(models, key=lambda model: model.creation_timestamp)
    return Published(root, experiment, *builds, latest.model_id)


def _write(root: Path, keep: float) -> None:
    """The files of the build that keeps this share of the student, and the records of the stages that it ran."""
    for folder in ("models", "metrics", "plots", ".dvc"):
        (root / folder).mkdir(exist_ok=True)
    params = {
        "project": PROJECT,
        "teacher": {"epochs": 20, "width": 32},
        "prune": {"keep": keep, "method": "structured"},
    }
    shutil.copyfile(PICTURE, root / "plots/accuracy-size.png")
    open_writer("litert").write(lowered(network(seed=int(100 * keep)), "int8"), root / _path(LOADABLE))
    variants = [_variant(root, identity, keep) for identity in FIGURES[keep]]
    timings = [_timing(identity, p50) for identity, (_, _, p50) in FIGURES[keep].items()]
    document = {
        "schema": 1,
        "dataset": {"name": "digits"},
        "reference": variants[0]["id"],
        "variants": variants,
    }
    (root / "metrics/summary.json").write_text(json.dumps(document))
    (root / "metrics/latency.json").write_text(json.dumps({"schema": 1, "host": {}, "variants": timings}))
    stages = _stages(root, params, variants)
    yaml = YAML()
    yaml.dump(params, root / "params.yaml")
    yaml.dump({"stages": {name: _declared(entry) for name, entry in stages.items()}}, root / "dvc.yaml")
    before = YAML(typ="safe").load(root / "dvc.lock")["stages"] if (root / "dvc.lock").exists() else {}
    yaml.dump({"schema": "2.0", "stages": stages}, root / "dvc.lock")
    for name, entry in stages.items():
        if entry != before.get(name):
            record = Record.begin(root, stage=name, params=entry["params"]["params.yaml"])
            if name == "train_teacher":
                for epoch in range(5):
                    record.metrics(epoch, {"accuracy": 1 - 0.5 ** (epoch + 1)})
            record.end("FINISHED", None, {out["path"]: out["md5"] for out in entry["outs"]})


def _path(identity: str) -> str:
    return f"models/{identity}.{ENDINGS[identity.split('-')[1]]}"


def _variant(root: Path, identity: str, keep: float) -> dict[str, Any]:
    size, accuracy, _ = FIGURES[keep][identity]
    model, kind, precision = identity.split("-")
    return {
        "id": identity,
        "model": model,
        "format": kind,
        "precision": precision,
        "path": _path(identity),
        "sha256": hashlib.sha256(f"{identity} {size}".encode()).hexdigest(),
        "size_bytes": size,
        "accuracy": accuracy,
        "accuracy_ci95": [round(accuracy - 0.0143, 4), accuracy + 0.005],
    }


def _timing(identity: str, p50: float | None) -> dict[str, Any]:
    times = None if p50 is None else {"p50": p50, "p90": round(1.1 * p50, 3), "p99": 2 * p50, "mean": p50}
    why = "Core ML's runtime exists only on macOS" if p50 is None else None
    return {"id": identity, "threads": 1, "latency_us": times, "not_run": why}


def _stages(root: Path, params: Mapping[str, Any], variants: list[dict[str, Any]]) -> dict[str, Any]:
    """Entries of dvc.lock. Of files that are not there the digest is made from what is said of them."""

    def entry(name: str, sections: list[str], deps: list[str], outs: list[str]) -> dict[str, Any]:
        values = {section: params[section] for section in sections}
        return {
            "cmd": f"edgebuild run {name}",
            "deps": [hashed(path) for path in deps],
            "params": {"params.yaml": values},
            "outs": [hashed(path) for path in outs],
        }

    def hashed(path: str) -> dict[str, str]:
        content = (
            (root / path).read_bytes() if (root / path).is_file() else f"{path} {said.get(path)}".encode()
        )
        return {"path": path, "hash": "md5", "md5": hashlib.md5(content, usedforsecurity=False).hexdigest()}

    said = {variant["path"]: variant["sha256"] for variant in variants}
    said["models/pruned.npz"] = json.dumps(params["prune"])
    teacher, *exports = (variant["path"] for variant in variants)
    return {
        "train_teacher": entry("train_teacher", ["teacher"], [], [teacher]),
        "prune": entry("prune", ["prune"], [teacher], ["models/pruned.npz"]),
        **{
            f"export_{Path(path).stem}": entry(f"export_{Path(path).stem}", [], ["models/pruned.npz"], [path])
            for path in exports
        },
        "report": entry("report", [], exports, ["metrics/summary.json", "metrics/latency.json"]),
    }


def _declared(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of dvc.yaml that an entry of dvc.lock belongs to."""
    return {
        "cmd": entry["cmd"],
        "deps": [dep["path"] for dep in entry["deps"]],
        "params": list(entry["params"]["params.yaml"]),
        "outs": [out["path"] for out in entry["outs"]],
    }
