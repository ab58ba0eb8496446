"""Cloud against device: the arithmetic, and that what is shown is what was computed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edgebuild.params.cost import Cost
from edgebuild.report.arithmetic import Term, missing, product, total
from edgebuild.report.cost import Comparison, Measured, compare, words

CLOUD = Measured("teacher-keras-fp32", 500.0, 1_000_000)
EDGE = Measured("pruned-litert-int8", 2.0, 6_000)
NOT_RUN = Measured("pruned-coreml-int8", None, 9_000)


@pytest.fixture
def stated(cost: Cost) -> Cost:
    return replace(
        cost,
        users=1000, requests_per_user_day=10.0, active_hours_per_day=10.0, days_per_month=30.0,
        cloud_usd_per_million_inferences=2.0, cloud_usd_per_month=5.0, edge_usd_per_month=7.0, traffic_usd_per_gb=0.1,
        image_bytes=0, overhead_bytes=800, answer_bytes=100, model_updates_per_year=12.0, round_trip_ms=50.0,
        device_slowdown=4.0, device_watts=2.0, radio_watts=1.0, server_watts=10.0,
    )  # fmt: skip


def found(cost: Cost, cloud: Measured = CLOUD, edge: Measured = EDGE) -> Comparison:
    return compare(cost, cloud, edge, png_bytes=100.4)


def evaluated(formula: str) -> float:
    """What a reader gets who types the formula's numbers and signs into a calculator."""
    value = 0.0
    for term in re.split(r" (?=[×÷+] )", f"+ {formula}"):
        number = re.search(r"[\d,.]*\d", term)
        assert number is not None, term
        amount = float(number.group().replace(",", ""))
        value = {"+": value + amount, "×": value * amount, "÷": value / amount}[term[0]]
    return value


def test_money_is_requests_times_prices(stated: Cost) -> None:
    requests = 1000 * 10 * 30
    comparison = found(stated)
    assert comparison.cloud_usd.amount == pytest.approx(requests / 1e6 * 2 + requests * 1000 / 1e9 * 0.1 + 5)
    assert comparison.edge_usd.amount == pytest.approx(1000 * 6000 / 1e9 * 0.1 + 7)


def test_at_the_break_even_both_cost_the_same(stated: Cost) -> None:
    even = found(stated).break_even.amount
    there = found(replace(stated, requests_per_user_day=even))
    assert there.cloud_usd.amount == pytest.approx(there.edge_usd.amount)


def test_there_is_no_break_even_where_the_device_is_never_dearer(stated: Cost) -> None:
    even = found(replace(stated, cloud_usd_per_month=100.0)).break_even
    assert even.value is None
    assert "never dearer" in even.formula


def test_there_is_no_break_even_where_requests_are_free(stated: Cost) -> None:
    free = replace(stated, cloud_usd_per_million_inferences=0.0, traffic_usd_per_gb=0.0)
    assert "free of charge" in found(free).break_even.formula


def test_time_and_energy_come_from_what_was_measured(stated: Cost) -> None:
    comparison = found(stated)
    assert comparison.cloud_ms.amount == pytest.approx(50.5)
    assert comparison.edge_ms.amount == pytest.approx(0.008)
    assert comparison.cloud_joules.amount == pytest.approx(50.5)  # mJ at 1 W
    assert comparison.edge_joules.amount == pytest.approx(0.016)


def test_what_was_not_run_has_no_value_and_says_so(stated: Cost) -> None:
    comparison = found(stated, cloud=NOT_RUN, edge=NOT_RUN)
    for line in (comparison.cloud_ms, comparison.edge_ms, comparison.cloud_joules, comparison.edge_joules):
        assert (line.value, line.shown) == (None, "–")
        assert line.formula == "pruned-coreml-int8 was not run on this machine"
    assert not any("waits" in said for said in words(comparison))


def test_a_stated_image_replaces_the_measured_one(stated: Cost) -> None:
    lines = [
        line.formula for group in found(replace(stated, image_bytes=50_000)).groups for line in group.lines
    ]
    assert "50,000 B image + 800 B overhead + 100 B answer" in lines
    lines = [line.formula for group in found(stated).groups for line in group.lines]
    assert "100 B image (mean PNG, measured) + 800 B overhead + 100 B answer" in lines


def test_each_formula_gives_its_result(stated: Cost) -> None:
    for group in found(stated).groups:
        for line in group.lines:
            assert evaluated(line.formula) == pytest.approx(line.amount, rel=1e-3), line


def test_every_assumption_changes_a_line(stated: Cost) -> None:
    before = [group.lines for group in found(stated).groups]
    numbers = {
        name: value
        for name, value in vars(stated).items()
        if not isinstance(value, str) and name != "tolerated_drop"
    }
    for name, value in numbers.items():
        changed = replace(stated, **{name: value + 3})
        assert [group.lines for group in found(changed).groups] != before, name


def test_the_words_name_the_cheaper_side(stated: Cost) -> None:
    assert (
        words(found(stated))[0]
        == "The server is cheaper by $1.37 a month: the server costs $5.63, the device $7.00."
    )
    assert words(found(replace(stated, cloud_usd_per_month=50.0)))[0].startswith(
        "The device is cheaper by $43.63"
    )


def test_equal_costs_are_called_equal(stated: Cost) -> None:
    nothing = {name: 0.0 for name in stated.__dataclass_fields__ if "usd" in name}
    assert words(found(replace(stated, **nothing)))[0] == "Server and device both cost $0.00 a month."


def test_a_line_shows_its_terms() -> None:
    line = product("x", "B", [Term(3, "users"), Term(1500.5, "B")], over=[Term(12, "months")])
    assert (line.formula, line.shown) == ("3 users × 1,500 B ÷ 12 months", "375.1 B")
    assert total("x", "$", [Term(1, "$"), Term(0.5, "$ more")]).formula == "$1 + $0.5 more"


def test_a_missing_line_has_no_amount() -> None:
    with pytest.raises(ValueError, match="x has no value: because"):
        _ = missing("x", "because").amount
