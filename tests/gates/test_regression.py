"""What got worse against another revision, and what chance explains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgebuild.gates.regression import Change, changes
from edgebuild.params.budgets import Budgets, Tolerated
from tests.gates.builds import TEACHER, answered, build, time

INT8, W8 = "pruned-litert-int8", "pruned-litert-w8"
PEER = "teacher-litert-fp32"


def revision(wrong: int = 0, p50: float = 4.0, **options: Any) -> Any:
    """A build whose int8 file gets the first ``wrong`` examples wrong and takes ``p50`` µs."""
    answers = {TEACHER: answered(range(0)), PEER: answered(range(0)), INT8: answered(range(wrong))}
    times = {TEACHER: time(300.0), PEER: time(40.0), INT8: time(p50)}
    return build(answers, times=times, **options)


def compared(now: Any, then: Any, **tolerated: float) -> dict[tuple[str, str], Change]:
    budgets = Budgets({}, tolerated=Tolerated(**tolerated))
    return {(change.variant, change.what): change for change in changes(now, then, budgets)}


def test_the_same_build_has_the_same_figures_and_nothing_of_keras_but_its_quality() -> None:
    found = compared(revision(), revision())
    assert {change.judgement for change in found.values()} == {"same"}
    assert sorted(found) == sorted(
        [(TEACHER, "accuracy"), (PEER, "accuracy"), (PEER, "bytes")]
        + [(INT8, what) for what in ("accuracy", "bytes", "latency")]
    )


def test_a_loss_that_chance_explains_stops_nothing() -> None:
    change = compared(revision(wrong=4), revision())[INT8, "accuracy"]
    assert (change.judgement, change.fails, change.by) == ("not significant", False, 1.0)
    assert change.p == pytest.approx(2 * 0.5**4 - 0.5**4)


def test_a_loss_beyond_chance_is_worse() -> None:
    change = compared(revision(wrong=8), revision())[INT8, "accuracy"]
    assert (change.judgement, change.fails, change.note) == (
        "worse",
        True,
        "loses 8 and gains 0 of 400 examples",
    )
    assert change.interval is not None
    assert change.interval[0] > 0


def test_a_gain_beyond_chance_is_better() -> None:
    change = compared(revision(), revision(wrong=8))[INT8, "accuracy"]
    assert (change.judgement, change.by) == ("better", -2.0)


@pytest.mark.parametrize(
    ("drop", "judgement"), [(2.0, "tolerated"), (1.9, "not significant"), (0.1, "worse")]
)
def test_a_loss_is_worse_only_where_it_is_proven_to_be_more_than_what_is_tolerated(
    drop: float, judgement: str
) -> None:
    assert compared(revision(wrong=8), revision(), drop=drop)[INT8, "accuracy"].judgement == judgement


def test_without_the_other_revisions_answers_the_samples_are_independent_and_prove_less() -> None:
    now = revision(wrong=28)
    assert compared(now, revision(wrong=20))[INT8, "accuracy"].judgement == "worse"
    change = compared(now, revision(wrong=20, kept=False))[INT8, "accuracy"]
    assert change.judgement == "not significant"
    assert change.note.startswith("unpaired, which sees less: not all predictions are here")


def test_the_same_file_is_the_same_without_any_answers() -> None:
    change = compared(revision(wrong=3, kept=False), revision(wrong=3, kept=False))[INT8, "accuracy"]
    assert (change.judgement, change.note) == ("same", "the same file")


def test_many_variants_do_not_make_a_chance_loss_significant() -> None:
    names = [f"pruned-litert-w{number}" for number in range(20)]
    then = build({TEACHER: answered(range(0))} | {name: answered(range(0)) for name in names})
    # One loses 5 examples, which alone would be significant (p = 0.03); the others 2.
    now = build(
        {TEACHER: answered(range(0))}
        | {name: answered(range(5 if name == names[0] else 2)) for name in names}
    )
    assert compared(now, then)[names[0], "accuracy"].judgement == "not significant"


@pytest.mark.parametrize(
    ("size", "judgement"), [(9_000, "better"), (10_000, "same"), (10_100, "tolerated"), (10_300, "worse")]
)
def test_bytes_are_counted(size: int, judgement: str) -> None:
    now = revision(entries={INT8: {"size_bytes": size}})
    change = compared(now, revision(), bytes=0.02)[INT8, "bytes"]
    assert (change.judgement, change.p) == (judgement, None)
    assert change.note == ("2% is tolerated" if judgement == "worse" else "")


@pytest.mark.parametrize(
    ("p50", "judgement"),
    [(2.0, "better"), (3.9, "not significant"), (4.8, "tolerated"), (5.5, "not significant"), (8.0, "worse")],
)
def test_a_latency_is_worse_only_where_it_is_proven_to_have_grown_by_more_than_what_is_tolerated(
    p50: float, judgement: str
) -> None:
    change = compared(revision(p50=p50), revision(p50=4.0), latency=0.25)[INT8, "latency"]
    assert change.judgement == judgement
    assert change.by == pytest.approx(p50 / 4.0 - 1)


def test_a_slower_machine_slows_the_peer_too_and_is_no_regression() -> None:
    now = revision(p50=12.0)
    for entry in now.latency["variants"]:
        entry["latency_us"]["p50"] *= 1 if entry["id"] == INT8 else 3
    change = compared(now, revision(p50=4.0))[INT8, "latency"]
    assert change.by == pytest.approx(0)
    assert not change.fails


def test_another_kind_of_processor_is_not_compared() -> None:
    now, then = (revision(p50=p50, machines={INT8: cpu}) for p50, cpu in ((9.0, "arm"), (4.0, "x86")))
    change = compared(now, then)[INT8, "latency"]
    assert (change.judgement, change.note) == ("not compared", "timed on arm, in the other revision on x86")


def test_what_runs_in_one_revision_only_is_not_compared_and_what_runs_in_none_is_left_out() -> None:
    now = revision()
    now.latency["variants"][2].update(not_run="needs macOS")
    change = compared(now, revision())[INT8, "latency"]
    assert (change.judgement, change.note) == (
        "not compared",
        f"this revision: {INT8} was not run: needs macOS",
    )
    assert (INT8, "latency") not in compared(now, now)


def test_variants_of_one_revision_only_are_named() -> None:
    other = build({TEACHER: answered(range(0)), W8: answered(range(0))})
    found = compared(revision(), other)
    assert found[INT8, "accuracy"].note == "new: the other revision has none"
    assert found[W8, "accuracy"].note == "gone: only the other revision has it"
    assert not any(change.fails for change in found.values())


def test_the_quality_of_another_task_is_not_compared() -> None:
    other = replace(revision(wrong=50, kept=False), comparable=False)
    found = compared(revision(), other)
    change = found[INT8, "accuracy"]
    assert change.judgement == "not compared"
    assert change.note == "section task of params.yaml was another one, with the kind classification"
    assert found[INT8, "bytes"].judgement == "same"


def test_without_budgets_nothing_is_tolerated() -> None:
    now = revision(entries={INT8: {"size_bytes": 10_001}})
    (change,) = [change for change in changes(now, revision(), None) if change.fails]
    assert (change.variant, change.what) == (INT8, "bytes")
