"""Log-mel spectrograms against slow formulas, TensorFlow's, and what physics demands."""

from __future__ import annotations

import cmath
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.errors import DataError
from edgebuild.sources.logmel import LogMel
from tests.sources.sounds import sine

SPEECH = LogMel(16_000, 16_000, 480, 320, 40, 60.0, 7600.0, -90.0)
SMALL = LogMel(1000, 50, 20, 15, 4, 0.0, 500.0, -60.0)


def slow(how: LogMel, clip: list[float]) -> list[list[float]]:
    """The documented formula, one number after the other."""
    mel = lambda hertz: 2595 * math.log10(1 + hertz / 700)  # noqa: E731
    low, high = mel(how.low_hz), mel(how.high_hz)
    corner = [low + (high - low) * k / (how.mels + 1) for k in range(how.mels + 2)]
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * i / how.window) for i in range(how.window)]
    size = 1
    while size < how.window:
        size *= 2
    rows = []
    for start in range(0, len(clip) - how.window + 1, how.hop):
        power = []
        for k in range(size // 2 + 1):
            x = sum(
                hann[i] * clip[start + i] * cmath.exp(-2j * math.pi * i * k / size) for i in range(how.window)
            )
            power.append((abs(x) / (sum(hann) / 2)) ** 2)
        row = []
        for band in range(how.mels):
            total = 0.0
            for k, value in enumerate(power):
                at = mel(k * how.rate / size)
                up = (at - corner[band]) / (corner[band + 1] - corner[band])
                down = (corner[band + 2] - at) / (corner[band + 2] - corner[band + 1])
                total += max(0.0, min(up, down)) * value
            row.append(max(how.floor_db, 10 * math.log10(total) if total else -math.inf))
        rows.append(row)
    return rows


@given(st.lists(st.floats(-1, 1), min_size=50, max_size=50))
def test_decibels_are_the_documented_formula(clip: list[float]) -> None:
    np.testing.assert_allclose(SMALL.decibels(np.array(clip)), slow(SMALL, clip), rtol=0, atol=1e-6)


def test_spectra_and_bands_are_those_of_tensorflow() -> None:
    from edgebuild.train import backend

    tf, _ = backend.load(0)
    clip = np.random.default_rng(0).uniform(-1, 1, 16_000)
    spectra = np.abs(tf.signal.stft(clip, SPEECH.window, SPEECH.hop).numpy())
    bands = tf.signal.linear_to_mel_weight_matrix(40, 257, 16_000, 60.0, 7600.0, tf.float64).numpy()
    np.testing.assert_allclose(SPEECH.bands[1:], bands[1:], atol=1e-9)  # it leaves the constant out
    expected = 10 * np.log10((spectra / (SPEECH.hann.sum() / 2)) ** 2 @ bands)
    np.testing.assert_allclose(SPEECH.decibels(clip), expected, atol=1e-6)


@given(band=st.integers(2, 37))
def test_a_sine_is_loudest_in_the_band_around_it(band: int) -> None:
    corners = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + np.array([60, 7600]) / 700)), 42) / 2595) - 1)
    loudest = SPEECH.decibels(sine(corners[band + 1])).argmax(axis=1)
    assert np.abs(loudest - band).max() <= (1 if band < 8 else 0)  # low bands are narrower than a bin


def test_a_full_scale_sine_in_the_middle_of_a_wide_band_is_0_db() -> None:
    wide = replace(SPEECH, window=512, hop=512, mels=1, low_hz=0.0, high_hz=8000.0)
    centre = int(wide.bands[:, 0].argmax())
    found = wide.decibels(sine(centre * 16_000 / 512, amplitude=1.0))
    # A Hann window spreads a sine on a bin over three of them, with powers of 1/4, 1 and 1/4.
    weights = wide.bands[centre - 1 : centre + 2, 0]
    np.testing.assert_allclose(found, 10 * np.log10(weights @ (0.25, 1.0, 0.25)), atol=1e-9)


@given(gain=st.floats(0.01, 1.0))
def test_what_is_louder_is_higher_by_the_same_decibels_everywhere(gain: float) -> None:
    clip = np.random.default_rng(1).uniform(-1, 1, 16_000)
    difference = SPEECH.decibels(clip) - SPEECH.decibels(gain * clip)
    np.testing.assert_allclose(difference, -20 * np.log10(gain), atol=1e-9)


def test_codes_run_from_the_floor_to_0_db() -> None:
    silence, noise = np.zeros(16_000), np.random.default_rng(2).uniform(-1, 1, 16_000)
    assert SPEECH.codes(silence).max() == 0
    assert SPEECH.codes(1e3 * noise).min() == 255
    np.testing.assert_allclose(
        SPEECH.codes(noise)[..., 0] / 255, 1 + SPEECH.decibels(noise) / 90, rtol=0, atol=0.5 / 255
    )


def test_the_shape_counts_whole_windows() -> None:
    assert SPEECH.shape == SPEECH.codes(np.zeros(16_000)).shape == (49, 40, 1)
    assert replace(SPEECH, samples=480).shape == (1, 40, 1)


def test_bands_that_hold_no_frequency_are_refused() -> None:
    SPEECH.check()
    with pytest.raises(DataError, match=r"mel bands must hold a frequency.* but band \d+ holds none"):
        replace(SPEECH, mels=256).check()


def test_the_data_card_has_every_constant() -> None:
    card = SPEECH.describe()
    assert card["fft"] == 512
    assert {
        "rate_hz",
        "window_samples",
        "hop_samples",
        "mels",
        "low_hz",
        "high_hz",
        "floor_db",
    } <= card.keys()
