"""Timing, on a clock that the test turns itself."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

import pytest

from edgebuild.measure.latency import host, measure, peak_rss_bytes


@dataclass
class FakeClock:
    """Shows multiples of ``tick`` ns; looking takes ``look`` ns, and each ``work`` the next of ``costs``."""

    tick: int = 1
    look: int = 1
    costs: Iterator[int] = field(default_factory=lambda: repeat(1000))
    now: int = 0
    calls: int = 0

    def __call__(self) -> int:
        self.now += self.look
        return self.now // self.tick * self.tick

    def work(self) -> None:
        self.calls += 1
        self.now += next(self.costs)


def test_percentiles_are_nearest_ranks_in_microseconds() -> None:
    # warm-up, the call that decides the batch, then 1 to 100 µs backwards; the look at the clock adds 1 ns
    clock = FakeClock(costs=chain([9_000_000] * 3, (1000 * n for n in range(100, 0, -1))))
    found = measure(clock.work, warmup=2, runs=100, clock=clock)
    assert (found.p50, found.p90, found.p99) == (50.001, 90.001, 99.001)
    assert found.mean == 50.501
    assert (found.runs, found.batch) == (100, 1)


def test_blocks_are_medians_of_timings_that_followed_one_another() -> None:
    # the call that decides the batch, then 1 to 100 µs: blocks of five
    clock = FakeClock(costs=chain([9_000_000], (1000 * n for n in range(1, 101))))
    found = measure(clock.work, warmup=0, runs=100, clock=clock)
    assert found.blocks == tuple(5 * block + 3.001 for block in range(20))


@pytest.mark.parametrize(("runs", "blocks"), [(1, 1), (7, 7), (47, 20)])
def test_no_block_is_empty(runs: int, blocks: int) -> None:
    clock = FakeClock()
    found = measure(clock.work, warmup=0, runs=runs, clock=clock)
    assert len(found.blocks) == blocks


def test_warm_up_is_not_counted() -> None:
    clock = FakeClock(costs=chain([5_000_000] * 8, repeat(2000)))
    found = measure(clock.work, warmup=7, runs=5, clock=clock)
    assert found.p99 == 2.001
    assert clock.calls == 7 + 1 + 5


def test_one_run_is_every_percentile() -> None:
    clock = FakeClock()
    found = measure(clock.work, warmup=0, runs=1, clock=clock)
    assert found.p50 == found.p90 == found.p99 == found.mean == 1.001


def test_calls_too_fast_for_the_clock_are_timed_together() -> None:
    clock = FakeClock(tick=1000, costs=repeat(2000))
    found = measure(clock.work, warmup=0, runs=10, clock=clock)
    assert found.batch == 64  # 50 calls last 100 ticks of 1 µs; the next power of two
    assert found.p50 == pytest.approx(2.0, rel=0.02)
    assert clock.calls == 127 + 10 * 64


def test_a_clock_that_cannot_see_a_call_at_all_still_times_it() -> None:
    clock = FakeClock(tick=100_000, look=100, costs=repeat(2000))
    found = measure(clock.work, warmup=0, runs=3, clock=clock)
    assert found.batch == 8192
    assert found.p50 == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("before", [True, False])
def test_no_garbage_is_collected_while_timing_and_the_setting_returns(before: bool) -> None:
    seen: list[bool] = []
    (gc.enable if before else gc.disable)()
    try:
        measure(lambda: seen.append(gc.isenabled()), warmup=0, runs=3)
        assert gc.isenabled() is before
    finally:
        gc.enable()
    assert not any(seen)


def test_the_collector_returns_after_a_crash() -> None:
    def crash() -> None:
        raise RuntimeError("no inference")

    with pytest.raises(RuntimeError, match="no inference"):
        measure(crash, warmup=0, runs=1)
    assert gc.isenabled()


def test_the_real_clock_orders_fast_and_slow() -> None:
    def work(size: int) -> Callable[[], object]:
        return lambda: sum(range(size))

    fast, slow = (measure(work(size), warmup=3, runs=30) for size in (1_000, 100_000))
    assert 0 < fast.p50 <= fast.p90 <= fast.p99
    assert slow.p50 > 10 * fast.p50


@pytest.mark.parametrize(("warmup", "runs"), [(-1, 5), (0, 0)])
def test_impossible_counts_are_refused(warmup: int, runs: int) -> None:
    with pytest.raises(ValueError, match="warmup >= 0 and runs >= 1"):
        measure(lambda: None, warmup=warmup, runs=runs)


def test_peak_memory_grows_with_what_is_held_and_does_not_shrink() -> None:
    before = peak_rss_bytes()
    held = b"x" * (before + 80_000_000)  # more than was ever held, wherever the peak was
    grown = peak_rss_bytes()
    assert grown >= len(held)
    del held
    assert peak_rss_bytes() > 0.99 * grown  # the kernel counts in per-thread batches of pages


def test_a_small_child_does_not_report_the_memory_of_a_large_parent() -> None:
    held = b"x" * 300_000_000
    code = "from edgebuild.measure.latency import peak_rss_bytes; print(peak_rss_bytes())"
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 1_000_000 < int(child.stdout) < len(held) // 2


def test_the_host_is_described_with_versions() -> None:
    found = host(["numpy", "no-such-package"])
    assert found["cpu"]
    assert 1 <= found["usable_cores"] <= found["cores"]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["numpy"] == __import__("numpy").__version__
    assert found["packages"]["no-such-package"] is None
