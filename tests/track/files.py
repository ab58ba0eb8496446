"""A build of real files, one of each format, committed with git: what can be promoted, loaded and served."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from edgebuild.build.digest import md5
from edgebuild.formats.registry import open_writer
from edgebuild.variant import ENDINGS
from tests.networks import lowered, network
from tests.track.conftest import timing

__all__ = ["FORMATS", "build_files", "commit"]

FORMATS = ("litert", "onnx", "coreml")
DVC_YAML = """\
stages:
  export:
    foreach: [pruned-litert-int8.tflite, pruned-onnx-int8.onnx, pruned-coreml-int8.mlpackage]
    do:
      cmd: python stages/export.py ${item}
      deps: [stages/export.py]
      params: [prune]
      outs: ["models/${item}"]
  report:
    cmd: python stages/report.py
    deps: [models/pruned-litert-int8.tflite, models/pruned-onnx-int8.onnx, models/pruned-coreml-int8.mlpackage]
    metrics:
    - metrics/summary.json: {cache: false}
    - metrics/latency.json: {cache: false}
"""


def build_files(root: Path) -> None:
    """Write the finished build and commit all but the models."""
    for folder in ("models", "metrics", "stages", ".dvc"):
        (root / folder).mkdir()
    (root / ".dvc/config").write_text("")
    (root / ".gitignore").write_text(
        "/models/\n/mlflow.db\n/mlruns/\n/.edgebuild/\n/.dvc/tmp/\n/.dvc/cache/\n"
    )
    (root / "stages/export.py").write_text("# writes one file\n")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("prune: {keep: 0.5}\n")
    graph = network(seed=3)
    variants = []
    for name in FORMATS:
        path = f"models/pruned-{name}-int8.{ENDINGS[name]}"
        open_writer(name).write(lowered(graph, "int8"), root / path)
        variants.append(_variant(root, name, path))
    dataset = {"name": "digits", "splits": {"test": {"images": 400}}}
    summary = {"schema": 1, "dataset": dataset, "reference": variants[0]["id"], "variants": variants}
    (root / "metrics/summary.json").write_text(json.dumps(summary))
    timings = [timing(variant["id"], 10.5) for variant in variants]
    (root / "metrics/latency.json").write_text(json.dumps({"schema": 1, "host": {}, "variants": timings}))
    lock(root)
    commit(root)


def lock(root: Path) -> None:
    """Write dvc.lock as DVC would after building what lies here."""
    models = [path.relative_to(root).as_posix() for path in sorted((root / "models").iterdir())]
    stages: dict[str, Any] = {
        f"export@{Path(path).name}": {
            "cmd": f"python stages/export.py {Path(path).name}",
            "deps": [_hashed(root, "stages/export.py")],
            "params": {"params.yaml": {"prune": {"keep": 0.5}}},
            "outs": [_hashed(root, path)],
        }
        for path in models
    }
    stages["report"] = {
        "cmd": "python stages/report.py",
        "deps": [_hashed(root, path) for path in models],
        "outs": [_hashed(root, f"metrics/{name}.json") for name in ("latency", "summary")],
    }
    YAML().dump({"schema": "2.0", "stages": stages}, root / "dvc.lock")


def commit(root: Path) -> None:
    """Commit everything that git does not ignore."""
    if not (root / ".git").exists():
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *who, "commit", "--quiet", "--allow-empty", "-m", "build"], cwd=root, check=True)


def _hashed(root: Path, path: str) -> dict[str, Any]:
    return {"path": path, "hash": "md5", "md5": md5(root / path)}


def _variant(root: Path, format: str, path: str) -> dict[str, Any]:
    return {
        "id": f"pruned-{format}-int8",
        "model": "pruned",
        "format": format,
        "precision": "int8",
        "path": path,
        "sha256": md5(root / path) * 2,
        "size_bytes": 5000,
        "accuracy": 0.99,
        "accuracy_ci95": [0.97, 0.996],
        "accuracy_drop": 0.0025,
        "oracle_labels": 1.0,
        "oracle_equal": 1.0,
        "oracle_steps": 0,
    }
