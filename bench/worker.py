"""Jobs of the comparison in child processes: what crashes or hangs takes its own row and nothing else.

The parent calls :func:`run`. A child works through a list of jobs and appends
one line of JSON per job to a file; where it dies, the job that it was at has
failed, and a fresh child goes on with the next. The child is

    python -m bench.worker PLAN JOBS RESULTS

with a :class:`Plan` and a list of :class:`Job` as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import networks
from bench.peers import ours, peer
from bench.runtimes import find
from bench.source import Recipe, Source, remove
from edgebuild.errors import EdgebuildError
from edgebuild.graph.count import count
from edgebuild.graph.run import run as run_reference
from edgebuild.measure.isolated import thread_environment

__all__ = ["Done", "Job", "Plan", "run"]

#: Training MobileNetV2 on a busy machine takes the longest.
PATIENCE_S = 500.0
MODULE = (sys.executable, "-m", "bench.worker")
QUIET = {"TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
ROOT = Path(__file__).resolve().parent.parent
#: What the reference of the integer grid is called among the predictions.
REFERENCE = "reference"


@dataclass(frozen=True)
class Plan:
    """What all jobs of one comparison have in common; paths are strings, as JSON has them.

    ``networks`` maps names to .keras files; ``images`` maps formats to the
    number of test images that files of that format, and "reference", are run on;
    ``recipe`` holds the fields of a :class:`bench.source.Recipe`.
    """

    data: str
    work: str
    networks: Mapping[str, str]
    images: Mapping[str, int]
    training_steps: int
    recipe: Mapping[str, Any]

    def source(self, network: str) -> Source:
        folder = Path(self.work) / network
        folder.mkdir(parents=True, exist_ok=True)
        return Source(network, Path(self.networks[network]), Path(self.data), folder, Recipe(**self.recipe))

    def predictions(self, network: str, name: str) -> Path:
        """Where logits are, float32 ``(images, classes)``."""
        return Path(self.work) / network / f"{name}.logits.npy"


@dataclass(frozen=True)
class Job:
    """``kind`` is a function of :data:`KINDS`; ``peer`` is "" where it concerns the network itself."""

    kind: str
    network: str
    peer: str = ""


@dataclass(frozen=True)
class Done:
    """What became of a job: ``facts`` where it worked, ``error`` where it did not."""

    job: Job
    facts: Mapping[str, Any]
    error: str | None


def run(
    plan: Plan,
    jobs: Sequence[Job],
    on_done: Callable[[Done], None],
    *,
    threads: int = 1,
    patience_s: float = PATIENCE_S,
    command: Sequence[str] = MODULE,
) -> None:
    """Do ``jobs`` in order, in as few processes as their crashes allow; tell ``on_done`` of each.

    A job that takes ``patience_s`` is taken for hung. ``command`` starts a
    child; its arguments are appended.
    """
    left = list(jobs)
    while left:
        with tempfile.TemporaryDirectory() as folder:
            child = _Child(Path(folder), command, threads, patience_s)
            finished, why = child.work(plan, left, on_done)
        left = left[finished:]
        if left:
            on_done(Done(left.pop(0), {}, why))


@dataclass(frozen=True)
class _Child:
    """One process, and the folder in which it and the parent meet."""

    folder: Path
    command: Sequence[str]
    threads: int
    patience_s: float

    def work(self, plan: Plan, jobs: list[Job], on_done: Callable[[Done], None]) -> tuple[int, str]:
        """How many of ``jobs`` it finished, and why it went no further."""
        files = [self.folder / name for name in ("plan", "jobs", "results")]
        for file, content in zip(files, (asdict(plan), [asdict(job) for job in jobs], None), strict=True):
            file.write_text("" if content is None else json.dumps(content))
        said = self.folder / "said"
        with said.open("wb") as sink:
            child = subprocess.Popen(
                [*self.command, *map(str, files)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=self._environment(),
            )
            try:
                finished, hung = self._follow(child, files[-1], len(jobs), on_done)
            finally:
                child.kill()  # hung, interrupted, or done and about to end by itself
                child.wait()
        if hung:
            return finished, f"it did not finish within {self.patience_s:g} s"
        last = [line for line in said.read_text(errors="replace").splitlines() if line.strip()][-1:]
        return finished, f"its process ended with status {child.returncode}: {' '.join(last) or 'no message'}"

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        return {**os.environ, **thread_environment(self.threads), **QUIET, "PYTHONPATH": path}

    def _follow(
        self, child: subprocess.Popen[bytes], results: Path, total: int, on_done: Callable[[Done], None]
    ) -> tuple[int, bool]:
        """Pass on results as they come: how many there were, and whether the child hung."""
        seen, since = 0, time.monotonic()
        while True:
            ended = child.poll() is not None  # before reading: what it wrote last is then there
            for line in results.read_text().splitlines(keepends=True)[seen:]:
                if line.endswith("\n"):
                    document = json.loads(line)
                    on_done(Done(Job(**document["job"]), document["facts"], document["error"]))
                    seen, since = seen + 1, time.monotonic()
            if ended or seen == total:
                return seen, False
            if time.monotonic() - since > self.patience_s:
                return seen, True
            time.sleep(0.05)


def _train(plan: Plan, job: Job) -> dict[str, Any]:
    path = Path(plan.networks[job.network])
    networks.train(path, Path(plan.data), plan.training_steps)
    return {}


def _prepare(plan: Plan, job: Job) -> dict[str, Any]:
    """The float model's answers."""
    source = plan.source(job.network)
    images = source.test(max(plan.images.values()))
    logits = source.model().predict(images, batch_size=256, verbose=0)
    np.save(plan.predictions(job.network, "float"), logits)
    return {"keras_parameters": source.model().count_params()}


def _freeze(plan: Plan, job: Job) -> dict[str, Any]:
    """The frozen graph, which later processes read without TensorFlow."""
    return asdict(count(ours.graph(plan.source(job.network), "fp32")))


def _convert(plan: Plan, job: Job) -> dict[str, Any]:
    chosen, source = peer(job.peer), plan.source(job.network)
    chosen.warm(source)
    source, path = plan.source(job.network), source.work / chosen.file
    remove(path)
    start = time.perf_counter()
    chosen.write(source, path)
    return {"seconds": time.perf_counter() - start + source.borrowed}


def _evaluate(plan: Plan, job: Job) -> dict[str, Any]:
    chosen, source = peer(job.peer), plan.source(job.network)
    session = find(chosen.format).load(source.work / chosen.file, 1)
    logits = session.predict(source.test(plan.images[chosen.format]))
    np.save(plan.predictions(job.network, job.peer), logits)
    return {}


def _refer(plan: Plan, job: Job) -> dict[str, Any]:
    """What the integer grid says, by numpy; and the step of its output."""
    source = plan.source(job.network)
    graph = ours.graph(source, "int8")
    logits = run_reference(graph, source.test(plan.images[REFERENCE]))
    np.save(plan.predictions(job.network, REFERENCE), logits)
    assert graph.output.grid is not None
    return {"step": graph.output.grid.scale}


KINDS: Mapping[str, Callable[[Plan, Job], dict[str, Any]]] = {
    "train": _train,
    "prepare": _prepare,
    "freeze": _freeze,
    "convert": _convert,
    "evaluate": _evaluate,
    "reference": _refer,
}


def main(arguments: Sequence[str], kinds: Mapping[str, Callable[[Plan, Job], dict[str, Any]]] = KINDS) -> int:
    """The child: do the jobs of the file, a line of JSON for each."""
    plan_file, jobs_file, results = map(Path, arguments)
    plan = Plan(**json.loads(plan_file.read_text()))
    for document in json.loads(jobs_file.read_text()):
        job, facts, error = Job(**document), {}, None
        try:
            facts = kinds[job.kind](plan, job)
        except Exception as failure:  # a vendor's tool may raise anything; its row says what
            error = str(failure) if isinstance(failure, EdgebuildError) else _told(failure)
        with results.open("a") as file:
            file.write(json.dumps({"job": asdict(job), "facts": facts, "error": error}) + "\n")
    return 0


def _told(failure: Exception) -> str:
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    return f"{type(failure).__name__}: {' '.join(lines)[:300]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
