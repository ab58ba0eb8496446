"""Confidence against accuracy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgebuild.report.calibration import calibration, probabilities


def claiming(*confidences: float) -> npt.NDArray[np.float64]:
    """Logits of two classes that give class 0 these probabilities."""
    sure = np.array(confidences)
    return np.log(np.stack([sure, 1 - sure], axis=1))


def test_probabilities_are_a_softmax_that_does_not_overflow() -> None:
    found = probabilities(np.array([[1e4, 0.0], [0.0, 0.0]], np.float32))
    assert found.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_the_error_is_the_mean_gap_weighted_by_images() -> None:
    # Three images of confidence 0.75, two right: a gap of 1/12. One of 0.95, wrong: a gap of 0.95.
    found = calibration(claiming(0.75, 0.75, 0.75, 0.95), np.array([0, 0, 1, 1]))
    assert found.error == pytest.approx(3 / 4 / 12 + 0.95 / 4)
    assert [(part.images, part.accuracy) for part in found.bins if part.images] == [(3, 2 / 3), (1, 0.0)]


def test_bins_include_their_upper_end() -> None:
    found = calibration(np.array([[0.0, 0.0]]), np.array([0]))  # exactly one half
    assert [part.images for part in found.bins].index(1) == 4
    assert (found.bins[4].low, found.bins[4].high) == (0.4, 0.5)


def test_full_confidence_is_in_the_last_bin() -> None:
    assert calibration(np.array([[1e4, 0.0]]), np.array([0])).bins[-1].images == 1


def test_chance_is_what_calibrated_networks_show_on_average() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1.0, 2000)
    errors = []
    for _ in range(200):
        labels = (rng.uniform(size=len(sure)) > sure).astype(int)
        found = calibration(claiming(*sure), labels)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(found.chance, rel=0.05)
    assert np.mean(np.array(errors) > found.limit) < 0.06
