"""Ratios of latencies and how sure they are."""

from __future__ import annotations

import math

import pytest

from edgebuild.gates.speed import Ratio, ratio
from tests.gates.builds import TEACHER, answered, build, time

INT8 = "pruned-litert-int8"


def measured(one: dict[str, object], noise: float = 0.0, **options: object) -> Ratio:
    answers = {TEACHER: answered(range(0)), INT8: answered(range(0))}
    results = build(answers, times={TEACHER: time(40.0), INT8: one}, **options)  # type: ignore[arg-type]
    return ratio(results, INT8, TEACHER, confidence=0.95, noise=noise)


def width(of: Ratio) -> float:
    low, high = of.interval(0.95) or (math.nan, math.nan)
    return math.log(high / low)


def test_timings_that_vary_more_are_less_sure() -> None:
    sure, unsure = measured(time(4.0, noise=0.01)), measured(time(4.0, noise=0.1))
    assert sure.found == unsure.found == 0.1
    assert width(sure) < width(unsure)


def test_noise_from_one_process_to_the_next_counts_for_both() -> None:
    still = measured(time(4.0, noise=1e-9), noise=0.05)
    assert width(still) == pytest.approx(2 * 1.96 * math.sqrt(2) * 0.05, rel=0.05)


def test_without_blocks_the_percentiles_bound_the_error_and_the_note_says_so() -> None:
    found = measured(time(4.0, blocks_us=None))
    assert "blocks were not kept" in found.note
    assert 0 < width(found) < 0.1


def test_too_few_runs_say_nothing() -> None:
    found = measured(time(4.0, blocks_us=None, runs=3))
    assert found.interval(0.95) == (0.0, math.inf)
    assert found.note == "too few runs to say how sure this is"


def test_what_was_timed_on_two_kinds_of_machine_is_not_compared() -> None:
    found = measured(time(4.0), machines={TEACHER: "x86", INT8: "arm"})
    assert (found.found, found.interval(0.95)) == (None, None)
    assert found.note == f"timed on arm, but {TEACHER} on x86: build both here"


def test_a_variant_without_any_timing_is_named() -> None:
    results = build({TEACHER: answered(range(0))})
    assert ratio(results, INT8, TEACHER, confidence=0.95, noise=0.0).note == f"{INT8} was not benchmarked"
