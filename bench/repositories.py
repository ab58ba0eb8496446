"""Temporary repositories to take times in: a clone, its twin with trivial commands, many variants."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from edgebuild.errors import Finding

__all__ = [
    "DVC",
    "EMPTY_STAGES",
    "OURS",
    "ROOT",
    "Repository",
    "clone",
    "end_processes",
    "forget",
    "many",
    "twin",
    "with_empty_stages",
]

ROOT = Path(__file__).parents[1]
DVC = (sys.executable, "-m", "dvc", "repro")
OURS = (sys.executable, "-m", "edgebuild.build.dvc_repro")
#: What a clone does not take along: another build's results.
GENERATED = ("dvc.lock", "environment.lock", "metrics/", "docs/")
#: Stages that do nothing but import, by what they import.
EMPTY_STAGES = {
    "nothing": "",
    "tensorflow": "from edgebuild.train import backend\n\nbackend.load(seed=1, threads=1)\n",
    "coreml": "import coremltools\n",
}
EMPTY = '"""Imports {name}."""\n\n{imports}\n\ndef main(stage):\n    stage.out("*").write_text("1")\n'
BACKEND = ", src/edgebuild/train/backend.py, src/edgebuild/errors.py"
KEPT_VARIANTS = ("pruned-litert-int8", "pruned-onnx-int8", "pruned-coreml-int8")


@dataclass(frozen=True)
class Repository:
    """A folder with dvc.yaml and a DVC cache of its own."""

    root: Path

    def run(self, *command: str, **variables: str) -> float:
        """Seconds of a command.

        Raises:
            Finding: it failed; with the end of what it said.
        """
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=self.root, env=self._environment(variables), capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
            raise Finding(f"{' '.join(command)} must succeed, but ended with {done.returncode}:\n{said}")
        return seconds

    def change(self, text: str, other: str) -> None:
        """Replace ``text`` in params.yaml by ``other``, or the other way round where it is already done."""
        path = self.root / "params.yaml"
        before = path.read_text()
        path.write_text(before.replace(text, other) if text in before else before.replace(other, text))

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        own = {"PATH": path, "PYTHONPATH": str(self.root / "src"), "DVC_NO_ANALYTICS": "1"}
        # A worker of its own, so that the first stage finds none.
        own |= {"TMPDIR": str(self.root.parent), "XDG_RUNTIME_DIR": str(self.root.parent)}
        return {**kept, **own, **variables}


def clone(root: Path, *, short: bool, few: bool) -> Repository:
    """What git would clone of this repository, and what is not committed yet.

    ``short``: trainings and benchmarks of seconds; the graph is the same. ``few``: three variants.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(GENERATED):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    _shrink(root / "params.yaml", short, few)
    return Repository(root)


def with_empty_stages(made: Repository) -> None:
    """Add the stages of `EMPTY_STAGES` to the dvc.yaml of a clone."""
    entries = []
    for name, imports in EMPTY_STAGES.items():
        (made.root / f"stages/empty_{name}.py").write_text(EMPTY.format(name=name, imports=imports))
        extra = BACKEND if "backend" in imports else ""
        entries.append(
            f"  empty_{name}:\n    cmd: edgebuild run empty_{name}\n    deps: [stages/empty_{name}.py, "
            f"requirements/runtime.txt{extra}]\n    outs: [empty_{name}.txt]\n"
        )
    path = made.root / "dvc.yaml"
    head, plots, rest = path.read_text().partition("\nplots:")
    path.write_text(head + "\n" + "".join(entries) + plots + rest)


def twin(root: Path, of: Repository) -> Repository:
    """The same graph, files and outputs as a built repository ``of``, with ``true`` for every command."""
    shutil.copytree(
        of.root, root, ignore=shutil.ignore_patterns(".git", ".edgebuild", "tmp", "mlruns", "mlflow.db")
    )
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    path = root / "dvc.yaml"
    path.write_text(re.sub(r"cmd: edgebuild run \S+", "cmd: 'true'", path.read_text()))
    made = Repository(root)
    made.run(sys.executable, "-m", "dvc", "commit", "--force", "--quiet")
    return made


def many(root: Path, count: int) -> Repository:
    """A plain DVC project whose one group has ``count`` stages, with deps as `export` has."""
    (root / "code").mkdir(parents=True)
    for number in range(12):
        (root / f"code/{number}.py").write_text(f"X = {number}\n" * 100)
    lines = [f"  v{number}: {{model: m{number}, format: onnx, ending: txt}}\n" for number in range(count)]
    (root / "params.yaml").write_text("export: {batch: fixed}\nvariants:\n" + "".join(lines))
    deps = ", ".join(f"code/{number}.py" for number in range(12))
    (root / "dvc.yaml").write_text(
        "stages:\n  export:\n    foreach: ${variants}\n    do:\n      cmd: echo ${key} > ${key}.${item.ending}\n"
        f'      params: [export]\n      deps: [{deps}]\n      outs: ["${{key}}.${{item.ending}}"]\n'
    )
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    made = Repository(root)
    made.run(sys.executable, "-m", "dvc", "init", "--quiet")
    made.run(*OURS, "--quiet", PYTHONPATH=str(ROOT / "src"))
    return made


def end_processes(folder: Path) -> None:
    """End the workers and deliveries of repositories in ``folder``, which would wait for more to do."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in line.read_bytes() and int(line.parent.name) != os.getpid():
                os.kill(int(line.parent.name), signal.SIGTERM)


def forget(made: Repository, files: Sequence[str]) -> None:
    """Remove dvc.lock and outputs, so that the next build restores them from the run-cache."""
    for path in [made.root / "dvc.lock", *(path for name in files for path in made.root.glob(name))]:
        path.unlink()


def _shrink(path: Path, short: bool, few: bool) -> None:
    yaml = YAML()
    params: dict[str, Any] = yaml.load(path.read_text())
    if short:
        params["data"] |= {"validation": 60, "calibration": 40, "test": 120}
        for section in ("teacher", "distill", "prune"):
            params[section] |= {"epochs": 2}
        params["quantize"] |= {"samples": 40}
        params["finetune"]["w4"] |= {"epochs": 1}
        for runtime in params["benchmark"].values():
            runtime |= {"warmup": 2, "runs": 20}
    if few:
        params["variants"] = {name: params["variants"][name] for name in KEPT_VARIANTS}
    with path.open("w") as file:
        yaml.dump(params, file)
