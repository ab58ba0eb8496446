"""A small committed build with real stages, DVC and git, and what tests change in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.build.verify.clone import without_delivery
from edgebuild.build.verify.report import Report
from edgebuild.build.verify.verify import verify

ROOT = Path(__file__).resolve().parents[3]
DVC_YAML = """\
stages:
  prepare:
    cmd: edgebuild run prepare
    deps: [stages/prepare.py]
    params: [seed]
    outs: [data.npz]
    metrics: [card.json: {cache: false}]
  train:
    cmd: edgebuild run train
    deps: [data.npz, stages/train.py]
    outs: [weights.npy]
  measure:
    cmd: edgebuild run measure
    deps: [weights.npy, stages/measure.py]
    metrics: [summary.json: {cache: false}, latency.json: {cache: false, labels: [machine]}]
"""
STAGES = {
    "prepare": """\
import json
import numpy as np
def main(stage):
    order = np.random.default_rng(stage.params.seed).permutation(100)
    np.savez(stage.out("data.npz"), x=order.astype(np.float32))
    stage.out("card.json").write_text(json.dumps({"images": 100}))
""",
    "train": """\
import numpy as np
def main(stage):
    with np.load(stage.dep("data.npz")) as data:
        np.save(stage.out("weights.npy"), np.cumsum(data["x"])[:10])
""",
    "measure": """\
import json
import time
import numpy as np
def main(stage):
    weights = np.load(stage.dep("weights.npy"))
    stage.out("summary.json").write_text(json.dumps({"images": 400, "accuracy": 0.99, "loss": float(weights[0])}))
    stage.out("latency.json").write_text(json.dumps({"ns": time.perf_counter_ns()}))
""",
}
UNSEEDED = STAGES["prepare"].replace("default_rng(stage.params.seed)", "default_rng()")


@dataclass(frozen=True)
class Repository:
    """One working copy; what is built is not committed until `commit`."""

    root: Path

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *command: str) -> str:
        """Run a command as a user would; it must succeed."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environ = {**os.environ, "PATH": path, "DVC_SITE_CACHE_DIR": str(self.root.parent / "dvc-site")}
        with without_delivery(self.root):
            done = subprocess.run(command, cwd=self.root, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def commit(self) -> str:
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "x")
        return self.run("git", "rev-parse", "HEAD").strip()

    def build(self) -> None:
        self.run("dvc", "repro", "--quiet")
        self.commit()

    def build_otherwise(self, stage: str, text: str) -> None:
        """Commit what ``text`` makes as if the stage's own file had made it: a lie, or another processor."""
        self.write(f"stages/{stage}.py", text)
        self.run("dvc", "repro", "--quiet")
        self.write(f"stages/{stage}.py", STAGES[stage])
        self.run("dvc", "commit", "--force", "--quiet", stage)
        self.commit()

    def lose_cache(self) -> None:
        """What a fresh clone without a remote has: no outputs but those in git."""
        shutil.rmtree(self.root / ".dvc/cache")
        for name in ("data.npz", "weights.npy"):
            (self.root / name).unlink()

    def verify(self, *stages: str, environ: Mapping[str, str] = os.environ, **options: Any) -> Report:
        return verify(self.root, "HEAD", environ, lambda done, total, text: None, stages, **options)


def make(root: Path) -> Repository:
    """Build and commit it: three stages, one output that depends on the machine, metrics in git."""
    repository = Repository(root)
    root.mkdir()
    for name, text in STAGES.items():
        repository.write(f"stages/{name}.py", text)
    repository.write("dvc.yaml", DVC_YAML)
    repository.write(".gitignore", "/.edgebuild\n/mlflow.db\n")
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    repository.run("git", "init", "--quiet")
    repository.run("dvc", "init", "--quiet")
    repository.build()
    return repository
