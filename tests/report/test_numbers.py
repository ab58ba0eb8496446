"""Numbers as people read them."""

from __future__ import annotations

import pytest

from edgebuild.report.numbers import kib, microseconds, number, percent, times, usd


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (150_000_000, "150,000,000"),
        (1234.5, "1,234"),
        (138.888, "138.9"),
        (50.0, "50"),
        (0.00748234, "0.007482"),
        (1.5e-9, "0.0000000015"),
        (-2.5, "−2.5"),
        (999.96, "1000"),
    ],
)
def test_a_number_has_four_significant_digits_and_no_exponent(value: float, text: str) -> None:
    assert number(value) == text


def test_units_follow_the_size() -> None:
    assert (kib(8_000), kib(2**20 * 1.5)) == ("7.81 KiB", "1.5 MiB")
    assert (microseconds(2.494), microseconds(1039)) == ("2.49 µs", "1.04 ms")


def test_dollars_have_cents_where_they_matter() -> None:
    assert [usd(value) for value in (0, 0.004321, 12.345, 1234.5)] == [
        "$0.00",
        "$0.00432",
        "$12.35",
        "$1,234",
    ]


def test_shares_and_ratios() -> None:
    assert (percent(0.9925), percent(0.5, 0), times(156, 1), times(10, 3)) == ("99.25%", "50%", "156", "3.33")
