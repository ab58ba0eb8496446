"""The words that every format has in common."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgebuild.gates.quantity import QUANTITIES
from edgebuild.gates.rows import Checked
from edgebuild.params.budgets import Limits
from tests.gates.checks import FAILED, KEPT


def test_every_limit_has_a_quantity() -> None:
    assert set(QUANTITIES) == set(Limits.__dataclass_fields__)


def test_the_headline_counts_what_failed_and_what_is_in_doubt() -> None:
    assert FAILED.headline == (
        "1 of 6 budgets failed (1 not measured, 1 not proven); 1 of 6 figures worse than main"
    )
    assert KEPT.headline == "5 budgets kept (1 not measured, 1 not proven); nothing worse than main"
    assert (FAILED.failed, KEPT.failed) == (True, False)


def test_without_budgets_or_another_revision_the_headline_is_of_the_other() -> None:
    assert Checked((), KEPT.changes, "main", "accuracy").headline == "nothing worse than main"
    assert replace(KEPT, against=None, changes=()).headline.startswith("5 budgets kept")


def test_a_budget_has_limit_found_interval_and_margin() -> None:
    accuracy, size, latency, drop, memory, broken = FAILED.budgets
    assert accuracy.cells == ("≥ 95.00 %", "99.00 %", "97.50 % … 99.70 %", "+4.00 pt")
    assert size.cells == ("≤ 8,000 B", "5,332 B", "–", "+2,668 B")
    assert latency.cells == ("≤ 0.500 ×", "0.283 ×", "0.247 × … ∞", "+0.217 ×")
    assert drop.cells == ("≤ 1.00 pt", "0.25 pt", "−0.95 pt … 1.58 pt", "+0.75 pt")
    assert memory.cells == ("≤ 95.4 MiB", "–", "–", "–")
    assert broken.sentence == (
        "pruned-coreml-int8, accuracy: failed (≥ 95.00 %, 90.00 %, 86.00 % … 93.00 %, −5.00 pt)"
    )


def test_a_change_has_before_now_growth_interval_and_p_value() -> None:
    found = [row.cells for row in FAILED.compared]
    assert found[1] == ("8,000 B", "7,000 B", "−12.5 %", "–", "–")
    assert found[2] == ("99.00 %", "98.50 %", "+0.50 pt", "−0.40 pt … +1.40 pt", "0.375")
    assert found[4] == ("–",) * 5


def test_only_what_may_have_got_worse_or_is_unknown_needs_an_explanation() -> None:
    assert [row.good for row in FAILED.compared] == [True, True, False, True, False, False]


def test_the_quality_has_the_name_that_the_task_gives_it() -> None:
    named = replace(KEPT, quality="AUC")
    assert [row.what for row in named.rows if row.what == "AUC"] == ["AUC"] * 4


@pytest.mark.parametrize(
    ("name", "margin", "shown"), [("accuracy", -0.001, "−0.10 pt"), ("bytes", 0, "+0 B")]
)
def test_margins_are_signed(name: str, margin: float, shown: str) -> None:
    assert QUANTITIES[name].difference(margin) == shown
