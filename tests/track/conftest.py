"""A synthetic repository in a build's final state, true to the contract of dvc.lock and metrics."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from edgebuild.track import store

PARAMS = {"teacher": {"epochs": 3, "rate": 1e-05, "widths": [8, 16]}, "prune": {"sparsity": 0.5}}
DVC_YAML = """\
stages:
  train_teacher:
    cmd: python stages/train_teacher.py
    params: [teacher]
    outs: [models/teacher-keras-fp32.keras]
  export:
    matrix: {target: [litert-int8, onnx-int8]}
    cmd: python stages/export.py ${item.target}
    deps: [models/teacher-keras-fp32.keras]
    params: [prune]
    outs: ["models/pruned-${item.target}"]
  report:
    cmd: python stages/report.py
    deps: ["models/pruned-litert-int8", "models/pruned-onnx-int8"]
    metrics:
    - metrics/summary.json: {cache: false}
    - metrics/latency.json: {cache: false}
"""


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def variant(
    root: Path, model: str, format_: str, precision: str, path: str, accuracy: float
) -> dict[str, Any]:
    content = (root / path).read_bytes()
    return {
        "id": f"{model}-{format_}-{precision}",
        "model": model,
        "format": format_,
        "precision": precision,
        "path": path,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "accuracy": accuracy,
        "accuracy_ci95": [accuracy - 0.01, accuracy + 0.01],
        "accuracy_drop": 0.9 - accuracy,
        "max_abs_error": None,
    }


def timing(identity: str, p50: float | None) -> dict[str, Any]:
    latency = None if p50 is None else {"p50": p50, "p90": p50 * 1.1, "p99": p50 * 2, "mean": p50}
    return {
        "id": identity,
        "threads": 1,
        "latency_us": latency,
        "load_ms": None if p50 is None else 2.5,
        "peak_rss_bytes": None,
        "not_run": "no such runtime here" if p50 is None else None,
    }


def write_build(root: Path, *, sparsity: float = 0.5) -> dict[str, dict[str, Any]]:
    """Write a finished build; returns dvc.lock's stages."""
    for folder in ("models", "metrics", "plots", ".dvc"):
        (root / folder).mkdir(exist_ok=True)
    (root / "dvc.yaml").write_text(DVC_YAML)
    params = {**PARAMS, "prune": {"sparsity": sparsity}}
    teacher = "models/teacher-keras-fp32.keras"
    (root / teacher).write_bytes(b"teacher")
    exports = [f"models/pruned-{target}" for target in ("litert-int8", "onnx-int8")]
    for path in exports:
        (root / path).write_bytes(f"{path} {sparsity}".encode())
    variants = [
        variant(root, "teacher", "keras", "fp32", teacher, 0.9),
        variant(root, "pruned", "litert", "int8", exports[0], 0.88),
        variant(root, "pruned", "onnx", "int8", exports[1], 0.87),
    ]
    summary = {
        "schema": 1,
        "dataset": {"name": "digits", "test": 360},
        "reference": variants[0]["id"],
        "variants": variants,
    }
    timings = [
        timing(variants[0]["id"], 90.0),
        timing(variants[1]["id"], 10.5),
        timing(variants[2]["id"], None),
    ]
    (root / "metrics/summary.json").write_text(json.dumps(summary))
    (root / "metrics/latency.json").write_text(json.dumps({"schema": 1, "host": {}, "variants": timings}))
    (root / "metrics/data.json").write_text('{"classes": 10}')
    (root / "plots/accuracy.png").write_bytes(b"\x89PNG")

    def hashed(*paths: str) -> list[dict[str, Any]]:
        return [
            {"path": path, "hash": "md5", "md5": md5(root / path), "size": (root / path).stat().st_size}
            for path in paths
        ]

    stages: dict[str, dict[str, Any]] = {
        "train_teacher": {
            "cmd": "python stages/train_teacher.py",
            "params": {"params.yaml": {"teacher": params["teacher"]}},
            "outs": hashed(teacher),
        },
        "export@litert-int8": {
            "cmd": "python stages/export.py litert-int8",
            "deps": hashed(teacher),
            "params": {"params.yaml": {"prune": params["prune"]}},
            "outs": hashed(exports[0]),
        },
        "export@onnx-int8": {
            "cmd": "python stages/export.py onnx-int8",
            "deps": hashed(teacher),
            "params": {"params.yaml": {"prune": params["prune"]}},
            "outs": hashed(exports[1]),
        },
        "report": {
            "cmd": "python stages/report.py",
            "deps": hashed(*exports),
            "outs": hashed("metrics/summary.json", "metrics/latency.json"),
        },
    }
    yaml = YAML()
    yaml.dump(params, root / "params.yaml")
    yaml.dump(
        {"schema": "2.0", "stages": {**stages, "gone": {"cmd": "removed from dvc.yaml"}}}, root / "dvc.lock"
    )
    return stages


@pytest.fixture
def build(root: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    def write(**settings: float) -> dict[str, dict[str, Any]]:
        return write_build(root, **settings)

    return write


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs; making its tables takes seconds, copying it none."""
    root = tmp_path_factory.mktemp("empty-store")
    with store.connect(root, store.tracking_uri(root, {})) as client:
        client.search_experiments()
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, empty_store: Path) -> Path:
    """A repository root with an empty MLflow store."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    return tmp_path
