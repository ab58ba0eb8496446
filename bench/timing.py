"""Latencies of many files, taken so that they can be divided by one another."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.runtimes import SCRIPT
from edgebuild.errors import Finding
from edgebuild.measure import isolated

__all__ = ["Effort", "Timed", "interleaved"]

#: However little time there is: a single visit says nothing about its own noise.
LEAST_ROUNDS = 2
#: A timed child needs seconds; this is a hang.
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Effort:
    """``rounds`` visits of every file, of ``runs`` timed calls each after ``warmup`` others.

    A round beyond the second that would take the whole beyond ``minutes`` is not begun.
    """

    rounds: int
    runs: int
    warmup: int
    minutes: float


@dataclass(frozen=True)
class Timed:
    """p50 in microseconds, one per round, of every file that could be timed, and why the others could not."""

    rounds: Mapping[str, Sequence[float]]
    broken: Mapping[str, str]


def interleaved(
    files: Mapping[str, tuple[str, Path]],
    shape: tuple[int, int, int],
    effort: Effort,
    seconds: float,
    tell: Callable[[str], None],
    command: Sequence[str] = SCRIPT,
) -> Timed:
    """Time ``files``, name → (format, path), on one thread, each visit in a fresh process.

    Every second round goes backwards, so that none always comes after the same
    other. From the third round on, one that would not end within ``seconds``
    of the start is not begun.
    """
    start = time.monotonic()
    seen: dict[str, list[float]] = {name: [] for name in files}
    broken: dict[str, str] = {}
    for number in range(effort.rounds):
        spent = time.monotonic() - start
        if number >= LEAST_ROUNDS and spent * (number + 1) / number > seconds:
            tell(f"no time for more than {number} of {effort.rounds} rounds")
            break
        for name in files if number % 2 == 0 else reversed(files):
            if name in broken:
                continue
            try:
                seen[name].append(_p50(*files[name], shape, effort, command))
            except Finding as error:
                broken[name] = " ".join(str(error).split())
        tell(f"round {number + 1} of {effort.rounds}, {len(files) - len(broken)} files")
    return Timed({name: values for name, values in seen.items() if name not in broken}, broken)


def _p50(
    format: str, path: Path, shape: tuple[int, int, int], effort: Effort, command: Sequence[str]
) -> float:
    measured = isolated.run(
        format,
        path,
        shape,
        threads=1,
        warmup=effort.warmup,
        runs=effort.runs,
        timeout_s=TIMEOUT_S,
        command=command,
    )
    if measured.latency is None:
        raise Finding(f"{path.name} was not timed: {measured.not_run}")
    return measured.latency.p50
