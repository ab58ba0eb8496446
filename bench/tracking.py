"""What tracking costs: a stage, and the publication of a build of many variants.

    python -m bench.tracking                     # a stage of 20 s, five times each way; a build of 200 variants
    python -m bench.tracking --variants 1000 --seconds 60 --rounds 3
    python -m bench.tracking --cores 1           # the delivery process has no core of its own

A stage is a training of a hundred short epochs on one core, once with a record, its delivery process and a fresh store,
once without, in alternation; the delivery process imports mlflow while the stage runs, and competes with it for the
machine. The build is synthetic, of files of a built repository; its store is sqlite. mlflow's import and the making of
the store's tables are timed apart, and count.

Exit status 1 means that a target was missed: 5% and 1 s a stage, a minute for the build.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgebuild.track.store import tracking_uri

TARGET_SHARE, TARGET_S, TARGET_PUBLISH_S = 0.05, 1.0, 60.0
#: One stage, as `edgebuild run` records it: argv is root, "with" or "without", seconds of work.
STAGE = """
import os, sys, time
from pathlib import Path
start, used = time.monotonic(), time.process_time()
root, how, work = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
def epoch(seconds):
    end, n = time.process_time() + seconds, 0
    while time.process_time() < end:
        n += sum(i * i for i in range(1000))
if how == "with":
    from edgebuild.track.daemon import ensure_running
    from edgebuild.track.outbox import Record
    from edgebuild.track.revision import revision
    from edgebuild.track.store import tracking_uri
    record = Record.begin(root, stage="train", params={"epochs": 100}, revision=revision(root))
    ensure_running(root, os.getpid(), tracking_uri(root, {}), "p", environ=os.environ)
for number in range(100):
    epoch(work / 100)
    if how == "with":
        record.metrics(number, {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5})
if how == "with":
    record.end("FINISHED", None, {})
print(time.monotonic() - start, time.process_time() - used)
for process in Path("/proc").glob("[0-9]*"):
    try:
        if str(root).encode() in (process / "cmdline").read_bytes() and process.name != str(os.getpid()):
            ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]  # utime, stime: proc(5)
            print(sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"))
    except OSError:
        pass  # it has just ended
"""


def stage(root: Path, how: str, seconds: float) -> tuple[float, float, float]:
    """Wall and processor seconds of one stage of ``seconds`` of work; processor seconds of the delivery meanwhile."""
    done = subprocess.run(
        [sys.executable, "-c", STAGE, str(root), how, str(seconds)],
        check=True,
        capture_output=True,
        text=True,
    )
    wall, used, *delivery = map(float, done.stdout.split())
    return wall, used, sum(delivery)


def stages(scratch: Path, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Of each round: seconds of a stage without tracking, and what tracking added.

    ``added_s`` by the clock, ``added_processor_s`` in the stage's own process; ``meanwhile_s`` is the processor
    time of the delivery process while the stage ran, which is the stage's loss where both have one core,
    and ``delivery_s`` all of it, most of it mlflow's import.
    """
    found: dict[str, list[float]] = {
        "without_s": [],
        "added_s": [],
        "added_processor_s": [],
        "meanwhile_s": [],
        "delivery_s": [],
    }
    for number in range(rounds):
        pair = {}
        for how in ("without", "with") if number % 2 else ("with", "without"):
            root = scratch / f"{how}-{number}"
            root.mkdir()
            pair[how] = stage(root, how, seconds)
            if how == "with":
                found["meanwhile_s"].append(pair[how][2])
                found["delivery_s"].append(orphans_s())
        found["without_s"].append(pair["without"][0])
        found["added_s"].append(pair["with"][0] - pair["without"][0])
        found["added_processor_s"].append(pair["with"][1] - pair["without"][1])
    return found


def adopt_orphans() -> None:
    """Become the parent of processes that outlive theirs, as the delivery does (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def orphans_s() -> float:
    """Wait until all of them have ended, so that none disturbs the next stage; their processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_build(root: Path, models: Path, count: int) -> None:
    """A finished build of ``count`` variants, each a copy of one of the files in ``models``."""
    sources = sorted(path for path in models.iterdir() if path.suffix in (".tflite", ".onnx"))
    if not sources:
        raise SystemExit(f"{models} holds no .tflite or .onnx file: run `edgebuild run` first")
    for folder in ("models", "metrics", ".dvc"):
        (root / folder).mkdir()
    stages, variants, lines = {}, [], []
    for number in range(count):
        source = sources[number % len(sources)]
        kind = "litert" if source.suffix == ".tflite" else "onnx"
        name = f"m{number:04d}-{kind}-int8"
        path = f"models/{name}{source.suffix}"
        shutil.copyfile(source, root / path)
        content = source.read_bytes()
        variants.append(
            {"id": name, "model": f"m{number:04d}", "format": kind, "precision": "int8", "path": path,
             "sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content), "gzip_bytes": len(content),
             "parameters": 1000, "nonzero_parameters": 1000, "macs": 10000, "accuracy": 0.9, "accuracy_drop": 0.01,
             "accuracy_ci95": [0.89, 0.91], "agreement_with_reference": 0.99, "agreement_with_source": 0.99,
             "max_abs_error": 0.001}
        )  # fmt: skip
        for base, out in (("export", path), ("benchmark", f"metrics/{name}.json")):
            if base == "benchmark":
                (root / out).write_text(f'{{"variant": "{name}"}}')
            stages[f"{base}@{name}"] = {"cmd": f"edgebuild run {base}@{name}", "outs": [hashed(root, out)]}
        lines.append(f"      {name}: {{path: {path}}}")
    each = "\n".join(lines)
    (root / "dvc.yaml").write_text(
        "stages:\n"
        f"  export:\n    foreach:\n{each}\n    do:\n"
        "      cmd: edgebuild run export@${key}\n      outs: ['${item.path}']\n"
        f"  benchmark:\n    foreach:\n{each}\n    do:\n"
        "      cmd: edgebuild run benchmark@${key}\n      outs: ['metrics/${key}.json']\n"
    )
    timings = [
        {"id": variant["id"], "threads": 1, "latency_us": {"p50": 3.0, "p90": 4.0, "p99": 5.0, "mean": 3.0},
         "load_ms": 1.0, "peak_rss_bytes": 1e8, "not_run": None}
        for variant in variants
    ]  # fmt: skip
    documents: dict[str, dict[str, Any]] = {
        "summary": {
            "schema": 1,
            "dataset": {"name": "digits"},
            "reference": variants[0]["id"],
            "variants": variants,
        },
        "latency": {"schema": 1, "host": {}, "variants": timings},
    }
    for name, document in documents.items():
        (root / f"metrics/{name}.json").write_text(json.dumps(document))
    (root / "params.yaml").write_text("project: p\nseed: 1\n")
    (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))


def hashed(root: Path, path: str) -> dict[str, object]:
    """``path`` as dvc.lock names it."""
    content = (root / path).read_bytes()
    return {
        "path": path,
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "size": len(content),
    }


def publication(root: Path) -> dict[str, float]:
    """Seconds of importing mlflow and making the tables, of the first publication, and of the same again."""
    from edgebuild.track import store
    from edgebuild.track.sync import track

    seconds = []
    for number in range(3):
        start = time.monotonic()
        if number == 0:
            with store.connect(root, tracking_uri(root, {})) as client:
                client.search_experiments()
        else:
            report = track(root, tracking_uri(root, {}), "p")
            assert report.complete, report.lines()
        seconds.append(time.monotonic() - start)
    return dict(zip(("import_s", "publish_s", "again_s"), seconds, strict=True))


def lines(found: Mapping[str, Sequence[float]]) -> list[str]:
    """Median, least and most of each measurement."""
    return [
        f"{name:18} {statistics.median(values):8.3f}  ({min(values):.3f} to {max(values):.3f})"
        for name, values in found.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="processor time of the stage (default 20)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="stages each way (default 5)")
    parser.add_argument("--variants", type=int, default=200, help="of the build (default 200)")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="files to publish (default models/)"
    )
    parser.add_argument("--cores", type=int, help="pin everything to this many (default: all)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if options.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    missed = []
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        if options.rounds:
            adopt_orphans()
            found |= stages(Path(scratch), options.rounds, options.seconds)
            added = statistics.median(found["added_s"])
            if added > min(TARGET_S, TARGET_SHARE * statistics.median(found["without_s"])):
                missed.append(f"a stage may take {TARGET_S:.0f} s and {TARGET_SHARE:.0%} longer")
        if options.variants:
            root = Path(scratch) / "build"
            root.mkdir()
            write_build(root, options.models, options.variants)
            found |= {name: [seconds] for name, seconds in publication(root).items()}
            if found["import_s"][0] + found["publish_s"][0] > TARGET_PUBLISH_S:
                missed.append(f"a build is published in {TARGET_PUBLISH_S:.0f} s")
    print(json.dumps(found, indent=2) if options.json else "\n".join(lines(found)))
    for target in missed:
        print(f"missed: {target}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
