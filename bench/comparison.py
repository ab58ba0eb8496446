"""The comparison itself: convert with every tool, judge and time every file, put ours beside each rival's.

Conversions run one after another, so that their seconds can be compared.
Judging runs in parallel. Latencies are taken alone and last, in rounds that
visit every file of a network once, each time in a fresh process: a machine
that slows down slows all of them.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench import worker
from bench.peers import PEERS, Peer
from bench.rows import Judgement, Pair, Row, compare, judge, spread
from bench.runtimes import find
from bench.source import Recipe
from bench.targets import Agreement, Target, agree, check
from bench.timing import Effort, Timed, interleaved
from bench.worker import REFERENCE, Done, Job, Plan
from edgebuild.data.split import Split
from edgebuild.errors import Finding
from edgebuild.measure.size import FileFacts, file_facts

__all__ = ["Result", "Settings", "run"]

#: Our file that the speed of our int8 ONNX file is held against.
ORT_INT8, ORT_FP32 = "onnx-int8", "onnx-fp32"


@dataclass(frozen=True)
class Settings:
    """What is compared and how long it may take.

    ``networks`` maps names to .keras files. ``images``, ``coreml_images`` and
    ``reference_images`` are the numbers of test images for the runtimes, for
    the evaluation of Core ML files and for the integer reference. ``recipe`` is how ours is quantized to int8.
    """

    data: Path
    networks: Mapping[str, Path]
    images: int
    coreml_images: int
    reference_images: int
    effort: Effort
    training_steps: int
    parallel: int
    recipe: Recipe


@dataclass(frozen=True)
class Result:
    """Everything about one network."""

    network: str
    about: Mapping[str, Any]
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    agreements: tuple[Agreement, ...]
    targets: tuple[Target, ...]


@dataclass
class _Log:
    """What became of every job, and how it is told."""

    tell: Callable[[str], None]
    start: float = field(default_factory=time.monotonic)
    done: dict[Job, Done] = field(default_factory=dict)

    def add(self, done: Done) -> None:
        self.done[done.job] = done
        job, what = done.job, textwrap.shorten(done.error or "done", 140)
        if done.error is None and "seconds" in done.facts:
            what = f"{done.facts['seconds']:.2f} s"
        self.say(f"{job.kind} {job.network} {job.peer}".rstrip() + f": {what}")

    def say(self, text: str) -> None:
        self.tell(f"{self.seconds():5.0f} s  {text}")

    def seconds(self) -> float:
        return time.monotonic() - self.start

    def ready(self, job: Job) -> bool:
        return job in self.done and self.done[job].error is None


def run(settings: Settings, work: Path, tell: Callable[[str], None]) -> list[Result]:
    """Compare on every network; ``work`` is an empty folder for files, ``tell`` gets lines of progress.

    Raises:
        Finding: a network that cannot be trained or loaded at all.
    """
    plan, log = _plan(settings, work), _Log(tell)
    untrained = [Job("train", name) for name, path in settings.networks.items() if not path.exists()]
    worker.run(plan, untrained, log.add, threads=settings.parallel)
    worker.run(plan, [Job(kind, name) for name in plan.networks for kind in ("prepare", "freeze")], log.add)
    for job, done in log.done.items():
        if done.error is not None and job.kind != "freeze":  # what cannot be frozen fails in our rows only
            raise Finding(f"{job.network} cannot be compared, {job.kind} failed: {done.error}")
    for ours in (True, False):  # the vendors' share a process: each would import and load the same again
        chosen = [item for item in PEERS if item.is_ours is ours]
        worker.run(
            plan, [Job("convert", name, item.id) for name in plan.networks for item in chosen], log.add
        )
    _judge_all(settings, plan, log)
    results: list[Result] = []
    for name in settings.networks:
        left = 60 * settings.effort.minutes - log.seconds()
        results.append(_result(settings, plan, log, name, left / (len(settings.networks) - len(results))))
    return results


def _plan(settings: Settings, work: Path) -> Plan:
    images = {
        "litert": settings.images,
        "onnx": settings.images,
        "coreml": min(settings.coreml_images, settings.images),
        REFERENCE: min(settings.reference_images, settings.images),
    }
    paths = {name: str(path.resolve()) for name, path in settings.networks.items()}
    return Plan(
        str(settings.data.resolve()),
        str(work.resolve()),
        paths,
        images,
        settings.training_steps,
        asdict(settings.recipe),
    )


def _judge_all(settings: Settings, plan: Plan, log: _Log) -> None:
    """Run every file on the test images: a process for each network and format, some at a time."""
    groups: list[list[Job]] = []
    for name in plan.networks:
        made = [item for item in PEERS if log.ready(Job("convert", name, item.id))]
        for kind in ("coreml", "litert", "onnx"):
            groups.append([Job("evaluate", name, item.id) for item in made if item.format == kind])
        if log.ready(Job("convert", name, "litert-int8")):
            groups.append([Job("reference", name)])
    with ThreadPoolExecutor(settings.parallel) as pool:
        list(pool.map(lambda jobs: worker.run(plan, jobs, log.add), groups))


def _result(settings: Settings, plan: Plan, log: _Log, name: str, seconds: float) -> Result:
    folder = Path(plan.work) / name
    labels = Split.read(settings.data / "test.npz").labels
    float_logits = np.load(plan.predictions(name, "float"))
    timed = _time_all(settings, folder, log, name, seconds)
    rows = {item.id: _row(item, name, plan, log, timed, float_logits, labels) for item in PEERS}
    logits = {item.id: plan.predictions(name, item.id) for item in PEERS}

    def beside(ours: str, rival: str) -> Pair:
        return compare(rows[ours], rows[rival], timed.rounds, logits, labels)

    pairs = [beside(f"{item.format}-{item.rival}", item.id) for item in PEERS if item.rival is not None]
    agreements = _agreements(plan, log, name)
    about = _about(plan, log, name, float_logits, labels)
    targets = check(
        name, list(rows.values()), pairs, agreements, beside(ORT_INT8, ORT_FP32), about["parameters"]
    )
    return Result(name, about, tuple(rows.values()), tuple(pairs), tuple(agreements), tuple(targets))


def _time_all(settings: Settings, folder: Path, log: _Log, name: str, seconds: float) -> Timed:
    """Every file that ran on the test images and whose runtime is here."""
    shape = Split.read(settings.data / "test.npz").images.shape[1:]
    files = {
        item.id: (item.format, folder / item.file)
        for item in PEERS
        if find(item.format).unavailable_runtime() is None and log.ready(Job("evaluate", name, item.id))
    }
    return interleaved(files, shape, settings.effort, seconds, lambda text: log.say(f"time {name}: {text}"))


def _row(
    item: Peer,
    name: str,
    plan: Plan,
    log: _Log,
    timed: Timed,
    float_logits: Any,
    labels: Any,
) -> Row:
    converted, evaluated = (log.done.get(Job(kind, name, item.id)) for kind in ("convert", "evaluate"))
    error = next((done.error for done in (converted, evaluated) if done and done.error), None)
    facts: FileFacts | None = None
    judgement: Judgement | None = None
    if converted and converted.error is None:
        facts = file_facts(Path(plan.work) / name / item.file)
    if evaluated and evaluated.error is None:
        try:
            judgement = judge(np.load(plan.predictions(name, item.id)), float_logits, labels)
        except Finding as finding:
            error = str(finding)
    return Row(
        network=name,
        id=item.id,
        tool=item.tool,
        format=item.format,
        precision=item.precision,
        is_ours=item.is_ours,
        convert_s=round(converted.facts["seconds"], 3) if converted and facts else None,
        size_bytes=facts.size_bytes if facts else None,
        gzip_bytes=facts.gzip_bytes if facts else None,
        judgement=judgement,
        p50_us=spread(timed.rounds[item.id]) if item.id in timed.rounds else None,
        error=error or timed.broken.get(item.id),
        not_timed=find(item.format).unavailable_runtime(),
    )


def _agreements(plan: Plan, log: _Log, name: str) -> list[Agreement]:
    """LiteRT, ONNX Runtime and the reference on our integer grid, by twos."""
    done = log.done.get(Job("reference", name))
    if done is None or done.error is not None:
        return []
    ran = [kind for kind in ("litert", "onnx") if log.ready(Job("evaluate", name, f"{kind}-int8"))]
    files: Iterable[tuple[str, Path]] = [
        *((kind, plan.predictions(name, f"{kind}-int8")) for kind in ran),
        (REFERENCE, plan.predictions(name, REFERENCE)),
    ]
    loaded = [(kind, np.load(path)) for kind, path in files]
    step = done.facts["step"]
    return [
        agree(one, other, first, second, step) for (one, first), (other, second) in combinations(loaded, 2)
    ]


def _about(plan: Plan, log: _Log, name: str, float_logits: Any, labels: Any) -> dict[str, Any]:
    """What the network is: counts of the frozen graph, or Keras' own where it cannot be frozen."""
    frozen = log.done[Job("freeze", name)]
    seen = judge(float_logits, float_logits, labels)
    keras_parameters = log.done[Job("prepare", name)].facts["keras_parameters"]
    return {
        "keras": Path(plan.networks[name]).name,
        "parameters": frozen.facts.get("parameters", keras_parameters),
        "macs": frozen.facts.get("macs"),
        "images": seen.images,
        "float_accuracy": seen.accuracy,
        "float_accuracy_ci95": seen.accuracy_ci95,
        "not_frozen": frozen.error,
    }
