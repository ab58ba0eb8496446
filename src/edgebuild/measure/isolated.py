"""Measure one model's runtime in a process of its own.

Formats disturb one another (thread pools, allocators, memory), and a crash of
one must not end the build. The parent calls :func:`run`; the child is

    python -m edgebuild.measure.isolated FORMAT PATH --shape HxWxC --threads N --warmup W --runs R

and the last line of its stdout is the measurement as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edgebuild.errors import Finding
from edgebuild.formats.registry import Format, Session, open_format
from edgebuild.measure.latency import measure, peak_rss_bytes
from edgebuild.measure.measurement import Measurement

__all__ = ["main", "run", "thread_environment"]

#: OpenMP, OpenBLAS, MKL, Apple's vecLib, TensorFlow within and between operations.
POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
MODULE = (sys.executable, "-m", "edgebuild.measure.isolated")


def thread_environment(threads: int) -> dict[str, str]:
    """Variables that hold every thread pool a runtime may open to ``threads``."""
    return dict.fromkeys(POOLS, str(threads))


def run(
    format_name: str,
    path: Path,
    shape: tuple[int, int, int],
    *,
    threads: int,
    warmup: int,
    runs: int,
    timeout_s: float = 600.0,
    command: Sequence[str] = MODULE,
) -> Measurement:
    """Measure the model at ``path`` in a fresh process.

    Args:
        format_name: one of ``edgebuild.formats.FORMATS``.
        shape: height, width and channels of its input.
        command: what starts the child; its arguments are appended.

    Raises:
        Finding: the child crashed, hung, or printed no measurement; with its
            exit status or signal and the end of its stderr.
    """
    options = {"shape": "x".join(map(str, shape)), "threads": threads, "warmup": warmup, "runs": runs}
    arguments = [*command, format_name, str(path), *(f"--{name}={value}" for name, value in options.items())]
    environment = {**os.environ, **thread_environment(threads)}
    what = f"measuring {path} with {format_name} on {threads} thread(s)"
    try:
        child = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Finding(
            f"{what} must end within {timeout_s:g} s, but it did not; lower benchmark.{format_name}.runs"
            f"{_tail(error.stderr)}"
        ) from None
    if child.returncode != 0:
        raise Finding(
            f"{what} must end with status 0, but it {_ended(child.returncode)}{_tail(child.stderr)}"
        )
    return _parse(child.stdout, child.stderr, what)


def _parse(stdout: str, stderr: str, what: str) -> Measurement:
    last = stdout.strip().rpartition("\n")[2]
    try:
        return Measurement.parse(json.loads(last))
    except (ValueError, TypeError, KeyError):
        found = repr(last[:200]) if last else "nothing"
        raise Finding(
            f"{what} must print a measurement as JSON last, but it printed {found}{_tail(stderr)}"
        ) from None


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _tail(stderr: str | bytes | None, lines: int = 8) -> str:
    """The end of what the child wrote: the cause of a crash is there or nowhere."""
    text = stderr.decode(errors="replace") if isinstance(stderr, bytes) else stderr or ""
    last = [line for line in text.splitlines() if line.strip()][-lines:]
    return "; its last words:\n  " + "\n  ".join(last) if last else "; it wrote nothing to stderr"


def main(arguments: Sequence[str] | None = None, find: Callable[[str], Format] = open_format) -> int:
    """The child: measure the format that ``find`` gives for FORMAT, print, and return 0."""
    parser = argparse.ArgumentParser(prog="edgebuild.measure.isolated", description="Measure one model.")
    parser.add_argument("format")
    parser.add_argument("path", type=Path)
    parser.add_argument("--shape", required=True, help="height, width and channels: 28x28x1")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    options = parser.parse_args(arguments)
    shape = tuple(int(size) for size in options.shape.split("x"))
    runtime = find(options.format)
    measured = _measure(runtime, options.path, shape, options.threads, options.warmup, options.runs)
    print(json.dumps(asdict(measured)))
    return 0


def _measure(
    runtime: Format, path: Path, shape: tuple[int, ...], threads: int, warmup: int, runs: int
) -> Measurement:
    why = runtime.unavailable_runtime()
    if why is not None:
        return Measurement(threads, None, None, None, None, why)
    session, first_load_ms = _load(runtime, path, threads)
    # Values do not matter to dense arithmetic, denormals would: a fixed draw from [0, 1).
    image = np.random.Generator(np.random.PCG64(0)).random((1, *shape), np.float32)
    latency = measure(session.bind(image), warmup=warmup, runs=runs)
    peak = peak_rss_bytes()  # before the second load adds to it
    _, load_ms = _load(runtime, path, threads)
    return Measurement(threads, latency, load_ms, first_load_ms, peak, None)


def _load(runtime: Format, path: Path, threads: int) -> tuple[Session, float]:
    start = time.perf_counter_ns()
    session = runtime.load(path, threads)
    return session, round((time.perf_counter_ns() - start) / 1e6, 3)


if __name__ == "__main__":
    sys.exit(main())
