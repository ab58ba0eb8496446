"""Budgets held against results: what is kept, broken, or neither."""

from __future__ import annotations

from typing import Any

import pytest

from edgebuild.gates.verdict import Verdict, verdicts
from edgebuild.params.budgets import Budgets, LatencyLimit, Limits
from tests.gates.builds import TEACHER, answered, build, time

INT8, W8 = "pruned-litert-int8", "pruned-litert-w8"
PEER = "teacher-litert-fp32"


def judged(limits: dict[str, Limits], results: Any = None, **options: Any) -> dict[tuple[str, str], Verdict]:
    found = verdicts(Budgets(limits, **options), results or default())
    return {(verdict.variant, verdict.what): verdict for verdict in found}


def default(**options: Any) -> Any:
    answers = {TEACHER: answered(range(4)), PEER: answered(range(4)), INT8: answered(range(2, 12))}
    times = {TEACHER: time(300.0), PEER: time(40.0), INT8: time(4.0)}
    return build(answers, times=times, **options)


@pytest.mark.parametrize(
    ("limit", "outcome"), [(0.95, "passed"), (0.97, "not proven"), (0.98, "not proven"), (0.999, "failed")]
)
def test_an_accuracy_floor_fails_only_where_the_data_contradict_it(limit: float, outcome: str) -> None:
    # 390 of 400 are right: 97.5%, and Wilson's interval goes from 95.5% to 98.6%.
    verdict = judged({INT8: Limits(accuracy=limit)})[INT8, "accuracy"]
    assert verdict.outcome == outcome
    assert verdict.fails == (outcome == "failed")
    assert verdict.margin == pytest.approx(0.975 - limit)


def test_what_is_not_proven_says_how_many_examples_would_prove_it() -> None:
    verdict = judged({INT8: Limits(accuracy=0.97)})[INT8, "accuracy"]
    assert verdict.note == "the same share of about 4,472 test examples would prove it"


def test_a_figure_on_the_wrong_side_that_chance_explains_is_not_proven_and_promises_nothing() -> None:
    verdict = judged({INT8: Limits(accuracy=0.98)})[INT8, "accuracy"]
    assert (verdict.outcome, verdict.note) == ("not proven", "")


def test_strict_makes_what_is_not_proven_or_not_measured_fail() -> None:
    limits = {INT8: Limits(accuracy=0.97, memory_bytes=10**9)}
    results = default()
    results.latency["variants"][2].update(peak_rss_bytes=None, not_run="needs macOS")
    found = judged(limits, results, strict=True).values()
    assert [verdict.outcome for verdict in found] == ["not proven", "not measured"]
    assert all(verdict.fails for verdict in found)
    assert not any(verdict.fails for verdict in judged(limits, results).values())


def test_more_confidence_lets_more_pass() -> None:
    limits = {INT8: Limits(accuracy=0.99)}
    assert judged(limits, confidence=0.9)[INT8, "accuracy"].outcome == "failed"
    assert judged(limits, confidence=0.999)[INT8, "accuracy"].outcome == "not proven"


@pytest.mark.parametrize(("limit", "outcome"), [(0.0, "not proven"), (3.5, "passed"), (2.0, "not proven")])
def test_a_drop_is_judged_in_points_on_the_paired_interval(limit: float, outcome: str) -> None:
    verdict = judged({INT8: Limits(drop=limit)})[INT8, "drop"]
    assert (verdict.outcome, verdict.found) == (outcome, 1.5)
    assert verdict.margin == pytest.approx(limit - 1.5)


def test_a_drop_that_is_proven_fails() -> None:
    answers = {TEACHER: answered(range(2)), INT8: answered(range(20))}
    verdict = judged({INT8: Limits(drop=1.0)}, build(answers))[INT8, "drop"]
    assert (verdict.outcome, verdict.note) == ("failed", "loses 18 and gains 0 of 400 examples")


def test_the_teacher_is_not_compared_with_itself() -> None:
    limits = {"default": Limits(drop=1.0, agreement=0.9, latency=LatencyLimit(1.0, TEACHER))}
    assert not [key for key in judged(limits) if key[0] == TEACHER]


def test_agreement_is_a_share_of_the_examples() -> None:
    verdict = judged({INT8: Limits(agreement=0.9)})[INT8, "agreement"]
    assert (verdict.outcome, verdict.found) == ("passed", 0.975)


@pytest.mark.parametrize(
    ("what", "found"), [("bytes", 10_000), ("gzip_bytes", 8_000), ("memory_bytes", 50_000_000)]
)
def test_what_is_counted_is_kept_at_the_limit_and_broken_beyond_it(what: str, found: int) -> None:
    assert judged({INT8: Limits(**{what: found})})[INT8, what].outcome == "passed"
    broken = judged({INT8: Limits(**{what: found - 1})})[INT8, what]
    assert (broken.outcome, broken.fails, broken.margin, broken.interval) == ("failed", True, -1, None)


def test_parity_is_judged_where_a_file_has_it() -> None:
    found = judged({"default": Limits(parity_labels=1.0, parity_logits=0.9995)})
    assert {key: verdict.outcome for key, verdict in found.items()} == {
        (PEER, "parity_labels"): "passed",
        (INT8, "parity_labels"): "passed",
        (INT8, "parity_logits"): "failed",
    }


def test_logits_of_an_integer_file_without_a_grid_at_its_end_are_not_measured() -> None:
    results = default(entries={INT8: {"oracle_equal": None}})
    verdict = judged({"default": Limits(parity_logits=0.99)}, results)[INT8, "parity_logits"]
    assert (verdict.outcome, verdict.note) == ("not measured", "its output is not on a grid")


@pytest.mark.parametrize(("limit", "outcome"), [(0.2, "passed"), (0.105, "not proven"), (0.05, "failed")])
def test_a_latency_is_a_multiple_of_the_reference_that_its_pattern_names(limit: float, outcome: str) -> None:
    limits = {"*-int8": Limits(latency=LatencyLimit(limit, "teacher-{format}-fp32"))}
    verdict = judged(limits)[INT8, "latency"]
    assert (verdict.outcome, verdict.found, verdict.note) == (outcome, 0.1, f"of {PEER}")


def test_what_does_not_run_here_is_not_measured_and_says_why() -> None:
    answers = {TEACHER: answered(range(4)), W8: answered(range(4))}
    limits = {W8: Limits(latency=LatencyLimit(0.5, TEACHER), memory_bytes=10)}
    results = build(answers, times={TEACHER: time(10.0)})
    found = judged(limits, results)
    assert found[W8, "latency"].outcome == found[W8, "memory_bytes"].outcome == "not measured"
    assert found[W8, "latency"].note == f"{W8} was not run: needs macOS"
    assert found[W8, "memory_bytes"].note == "it was not run: needs macOS"


def test_verdicts_come_in_the_order_of_the_summary() -> None:
    found = verdicts(Budgets({"default": Limits(accuracy=0.9, bytes=1)}), default())
    assert [(verdict.variant, verdict.what) for verdict in found] == [
        (name, what) for name in (TEACHER, PEER, INT8) for what in ("accuracy", "bytes")
    ]
