"""A fresh clone of this repository with small params, built by the real tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from edgebuild.build.declaration import declarations

REPOSITORY = Path(__file__).parents[2]
VARIANTS = (
    "teacher-litert-fp32",
    "pruned-litert-fp32",
    "pruned-litert-int8",
    "pruned-onnx-int8",
    "pruned-coreml-int8",
)


@dataclass(frozen=True)
class Clone:
    """A working copy without git history, its own DVC cache, its own MLflow store."""

    root: Path

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would, with this clone's own code; raises if it fails."""
        done = self.attempt(*command, **variables)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def attempt(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
        environment = {**kept, "PATH": path, "PYTHONPATH": str(self.root / "src"), **variables}
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)

    def repro(self) -> tuple[set[str], set[str]]:
        """``dvc repro``: the stages that ran, and those that came from the run-cache."""
        said = self.run("dvc", "repro").stdout
        ran = set(re.findall(r"^Running stage '([^']+)'", said, re.MULTILINE))
        return ran, set(re.findall(r"^Stage '([^']+)' is cached", said, re.MULTILINE))

    def edit(self, change: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Change params.yaml; returns what puts it back as it was."""
        path = self.root / "params.yaml"
        before = path.read_bytes()
        yaml = YAML()
        document = yaml.load(before)
        change(document)
        with path.open("w") as file:
            yaml.dump(document, file)

        def revert() -> None:
            path.write_bytes(before)

        return revert

    def lock(self) -> dict[str, Any]:
        """The build's entries of dvc.lock, where DVC also keeps those of stages that are gone."""
        lock = YAML(typ="safe").load((self.root / "dvc.lock").read_text())["stages"]
        return {name: lock[name] for name in declarations(self.root)}

    def digests(self) -> dict[str, str]:
        """Every output of the build with its digest."""
        return {out["path"]: out["md5"] for entry in self.lock().values() for out in entry.get("outs", ())}


def make(root: Path) -> Clone:
    """Copy what git would clone (and what is not committed yet) to ``root``, and shrink the params."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    generated = ("dvc.lock", "metrics/", "docs/")
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).is_file() and not name.startswith(generated):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, root / name)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    clone = Clone(root)
    clone.edit(shrink)
    return clone


def shrink(params: dict[str, Any]) -> None:
    """Seconds instead of minutes; everything else is as shipped."""
    params["data"] |= {"validation": 60, "calibration": 40, "test": 120}
    params["teacher"] |= {"width": 8, "stages": 2, "epochs": 2}
    params["student"] |= {"width": 8}
    params["distill"] |= {"epochs": 3}
    params["prune"] |= {"epochs": 2, "multiple": 4}
    params["quantize"] |= {"samples": 40}
    params["finetune"]["w4"] |= {"epochs": 1}
    params["variants"] = {name: params["variants"][name] for name in VARIANTS}
    limits = params["budgets"]["limits"]
    for pattern in [name for name in limits if name != "default"]:
        del limits[pattern]  # they are for variants that are not built here, or compare with such
    for runtime in params["benchmark"].values():
        runtime |= {"warmup": 2, "runs": 20}
