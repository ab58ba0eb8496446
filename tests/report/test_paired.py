"""Two models on the same images."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.report.paired import Paired, pair, provable


def test_images_that_only_one_model_gets_right_are_counted() -> None:
    labels = np.array([0, 1, 0, 1])
    reference = np.array([[1.0, 0], [0, 1], [1, 0], [1, 0]])
    other = np.array([[0.0, 1], [0, 1], [0, 1], [0, 1]])
    assert pair(reference, other, labels) == Paired(lost=2, gained=1)


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [
        (0, 0, 1.0),
        (1, 1, 0.75),
        (4, 0, 1 / 16),
        (5, 0, 1 / 32),
        (8, 1, (2 * 1 + 9) / 512),  # binomial, half of the outcome's own probability
    ],
)
def test_the_p_value_is_that_of_the_binomial_mid_p_test(lost: int, gained: int, p: float) -> None:
    assert Paired(lost, gained).p == pytest.approx(p)


def test_the_p_value_of_thousands_of_images_is_a_number() -> None:
    assert 0 < Paired(1300, 1100).p < 1e-4


def test_a_gain_is_never_a_loss() -> None:
    assert Paired(20, 2).worse
    assert not Paired(2, 20).worse


def test_four_images_prove_nothing_and_five_do() -> None:
    assert provable() == 5
