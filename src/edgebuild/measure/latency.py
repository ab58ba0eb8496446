"""How long one inference takes, how much memory its process took, and on which machine.

The clock is ``time.perf_counter_ns``: monotonic, and the finest there is. A
call is timed alone unless the clock is too coarse for it; then several calls
are timed together, and the result says how many.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

__all__ = ["Latency", "host", "measure", "peak_rss_bytes"]

#: So many medians of consecutive timings are kept.
BLOCKS = 20
#: A timed batch lasts at least this many ticks of the clock: its error is at most 1%.
TICKS = 100


@dataclass(frozen=True)
class Latency:
    """Microseconds per call. Percentiles are nearest ranks: latencies that were observed.

    ``batch`` is the number of calls timed together. Where it is above 1, each
    of the ``runs`` observations is the mean of a batch, so the percentiles are
    closer together than those of single calls.

    ``blocks`` are the medians of consecutive blocks of them, in the order of time:
    what a comparison of two medians resamples (neighbouring timings are alike).
    """

    p50: float
    p90: float
    p99: float
    mean: float
    runs: int
    batch: int
    blocks: tuple[float, ...] = ()


def measure(
    call: Callable[[], object],
    *,
    warmup: int,
    runs: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Latency:
    """Time ``call`` ``runs`` times after ``warmup`` calls that do not count.

    Python's cyclic garbage collector is emptied first and off while timing. The
    loop's own cost, about 0.05 µs, is included.

    Args:
        call: performs one inference and returns when it is done.
        warmup: at least 0. The calls that decide the batch, mostly one, come after them.
        runs: at least 1.
        clock: nanoseconds, monotonic.

    Raises:
        ValueError: ``warmup`` or ``runs`` is too small.
    """
    if warmup < 0 or runs < 1:
        raise ValueError(f"warmup >= 0 and runs >= 1 are required, but they are {warmup} and {runs}")
    for _ in range(warmup):
        call()
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        batch = _batch(call, clock)
        observed = [_timed(call, clock, batch) / batch for _ in range(runs)]
    finally:
        if was_enabled:
            gc.enable()
    blocks = _blocks(observed)
    observed.sort()
    return Latency(
        p50=_percentile(observed, 50),
        p90=_percentile(observed, 90),
        p99=_percentile(observed, 99),
        mean=round(math.fsum(observed) / runs / 1000, 3),
        runs=runs,
        batch=batch,
        blocks=blocks,
    )


def _blocks(observed: list[float]) -> tuple[float, ...]:
    """Medians of up to :data:`BLOCKS` consecutive blocks, whose lengths differ by at most one."""
    count = min(BLOCKS, len(observed))
    ends = [len(observed) * number // count for number in range(count + 1)]
    return tuple(_percentile(sorted(observed[start:end]), 50) for start, end in pairwise(ends))


def _timed(call: Callable[[], object], clock: Callable[[], int], batch: int) -> int:
    if batch == 1:  # no loop inside the measured time
        start = clock()
        call()
        return clock() - start
    repeats = range(batch)
    start = clock()
    for _ in repeats:
        call()
    return clock() - start


def _batch(call: Callable[[], object], clock: Callable[[], int]) -> int:
    """The first power of two of calls that lasts :data:`TICKS` ticks; a tick is the least step seen."""
    least = TICKS * min(_step(clock) for _ in range(20))
    batch = 1
    while _timed(call, clock, batch) < least:
        batch *= 2
    return batch


def _step(clock: Callable[[], int]) -> int:
    start = now = clock()
    while now == start:
        now = clock()
    return now - start


def _percentile(ordered: list[float], percent: int) -> float:
    """The nearest-rank percentile in microseconds, to the nanosecond."""
    return round(ordered[math.ceil(percent * len(ordered) / 100) - 1] / 1000, 3)


def peak_rss_bytes() -> int:
    """The most physical memory this process has held so far.

    It includes everything: the interpreter, numpy, the runtime's libraries, the
    model and its buffers; nothing is subtracted. Linux's ``ru_maxrss`` is not
    used where ``VmHWM`` is there, because it is inherited through exec: a small
    child of a large parent would report the parent's memory.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere


def host(packages: Iterable[str]) -> dict[str, Any]:
    """What latencies depend on: processor, cores, system, Python and the versions of ``packages``.

    A package that is not installed has the version None.
    """
    cores = os.cpu_count()
    return {
        "cpu": _cpu_model(),
        "machine": platform.machine(),
        "cores": cores,
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores,
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            return asked.stdout.strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
