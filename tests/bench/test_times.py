"""Ratios are taken round by round, and a target says whether it was met."""

from __future__ import annotations

import pytest
from bench.overhead import main
from bench.times import Compared, Measured, ratio, tables, turns


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    found = ratio("x", Measured("a", (2.0, 9.0, 3.0)), Measured("b", (1.0, 3.0, 3.0)), 2.0)
    assert (found.value, found.low, found.high, found.met) == (2.0, 1.0, 3.0, True)


def test_rounds_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError):
        ratio("x", Measured("a", (1.0,)), Measured("b", (1.0, 2.0)))


@pytest.mark.parametrize(
    ("limit", "least", "met"),
    [(1.1, False, False), (1.3, False, True), (5.0, True, False), (1.0, True, True), (None, False, None)],
)
def test_a_target_is_a_most_or_a_least(limit: float | None, least: bool, met: bool | None) -> None:
    assert Compared("x", 1.2, 1.0, 1.4, limit, least).met is met


def test_turns_go_forth_and_back() -> None:
    order: list[str] = []
    found = turns(2, {name: lambda name=name: order.append(name) or float(len(order)) for name in "ab"})
    assert order == ["a", "b", "b", "a"]
    assert found["a"].seconds == (1.0, 4.0)


def test_the_tables_say_met_and_missed() -> None:
    times, targets = tables(
        [Measured("a", (1.0, 3.0))],
        [
            Compared("x", 2.0, 1.0, 3.0, 1.5),
            Compared("y", 6.0, 5.0, 7.0, 5.0, True),
            Compared("z", 1.0, 1.0, 1.0, None),
        ],
    )
    assert times.rows == (("a", "2.00", "1.00–3.00", "2"),)
    assert [row[1::2] for row in targets.rows] == [("≤ 1.5 ×", "MISSED"), ("≥ 5 ×", "met"), ("–", "")]


def test_an_unknown_part_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--parts", "noop,none"])
    assert ended.value.code == 2
    assert "'none' is not one of noop, many" in capsys.readouterr().err
