"""Log-mel spectrograms as uint8 codes: what keyword spotting looks at.

Every constant is stated and nothing depends on the data, so that an app can
compute the same picture of the microphone's samples; docs/audio-and-sensors.md
has the formula on its own, and :func:`describe` gives the constants to the data
card.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError

__all__ = ["SCALE", "LogMel"]

SCALE = 1 / 255  #: real = code * SCALE, in [0, 1]

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LogMel:
    """The transform of one clip; lengths in samples, frequencies in Hz."""

    rate: int
    samples: int  #: of a clip
    window: int  #: of a frame
    hop: int  #: from one frame to the next
    mels: int
    low_hz: float
    high_hz: float
    floor_db: float

    @property
    def fft(self) -> int:
        """Length of the Fourier transform: the window, padded to a power of two."""
        return 1 << (self.window - 1).bit_length()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, mels, 1): only whole windows are frames."""
        return 1 + (self.samples - self.window) // self.hop, self.mels, 1

    def codes(self, clip: Samples) -> npt.NDArray[np.uint8]:
        """uint8 ``(frames, mels, 1)`` of a clip of ``samples`` values, full scale 1.

        ``code = round(255 * clamp(1 - dB / floor_db, 0, 1))``.
        """
        level = 1.0 - self.decibels(clip) / self.floor_db
        return np.rint(255.0 * np.clip(level, 0.0, 1.0)).astype(np.uint8)[..., np.newaxis]

    def decibels(self, clip: Samples) -> Samples:
        """float64 ``(frames, mels)``: the power in each band, at least ``floor_db``.

        A sine of amplitude 1 on a bin in the middle of a band gives 0 dB; what
        is twice as loud, 6.02 dB more.
        """
        if clip.shape != (self.samples,):
            raise ValueError(f"a clip has {self.samples} samples, not {clip.shape}")
        frames = np.lib.stride_tricks.sliding_window_view(clip, self.window)[:: self.hop]
        # A sine of amplitude 1 peaks at sum(hann) / 2 in the spectrum.
        spectrum = np.abs(np.fft.rfft(frames * self.hann, self.fft)) / (self.hann.sum() / 2)
        power = np.square(spectrum) @ self.bands
        return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (self.floor_db / 10))))

    @cached_property
    def hann(self) -> Samples:
        """float64 ``(window,)``: the periodic Hann window."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)

    @cached_property
    def bands(self) -> Samples:
        """float64 ``(fft / 2 + 1, mels)``: triangles of height 1 whose corners are equally far apart in mel.

        As in HTK (Young et al., "The HTK Book", version 3.4, section 5.4): the
        sides are straight in mel, ``mel = 2595 log10(1 + f / 700)`` (O'Shaughnessy
        1987, "Speech Communication"), and each band ends where the next but one
        begins.
        """
        corners = np.linspace(_mel(self.low_hz), _mel(self.high_hz), self.mels + 2)
        bins = _mel(np.arange(self.fft // 2 + 1) * self.rate / self.fft)[:, np.newaxis]
        low, centre, high = corners[:-2], corners[1:-1], corners[2:]
        rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
        return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))

    def check(self) -> None:
        """Refuse bands between two bins of the transform, which would hold nothing, ever.

        Raises:
            DataError: with how many there are and what to change.
        """
        empty = np.flatnonzero(self.bands.sum(axis=0) == 0)
        if len(empty):
            raise DataError(
                f"data.audio: every one of the {self.mels} mel bands must hold a frequency of the transform, which "
                f"are {self.rate / self.fft:.1f} Hz apart, but band {empty[0]} "
                f"holds none ({len(empty)} such bands); take fewer mels or a longer window_ms"
            )

    def describe(self) -> dict[str, Any]:
        """Every constant of the transform, for the data card."""
        return {
            "kind": "log_mel",
            "rate_hz": self.rate,
            "clip_samples": self.samples,
            "window_samples": self.window,
            "window": "periodic Hann",
            "hop_samples": self.hop,
            "fft": self.fft,
            "mels": self.mels,
            "mel": "2595 log10(1 + f / 700)",
            "low_hz": self.low_hz,
            "high_hz": self.high_hz,
            "floor_db": self.floor_db,
            "code": "round(255 clamp(1 - dB / floor_db, 0, 1)); a sine of amplitude 1 is 0 dB",
        }


def _mel(hertz: Any) -> Any:
    return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)
