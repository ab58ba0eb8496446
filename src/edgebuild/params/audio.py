"""Section ``data.audio`` of params.yaml: how a sound becomes the spectrogram that a network sees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from edgebuild.strict import Range

__all__ = ["Audio", "problems_of_group"]

Milliseconds = Annotated[float, Range(0.0, 10_000.0, open_low=True)]


@dataclass(frozen=True)
class Audio:
    """Log-mel spectrograms ``(frames, mels, 1)`` of clips of one length; docs/audio-and-sensors.md has the formula."""

    rate: Annotated[int, Range(1000, 192_000)]  #: samples per second; other files are resampled
    seconds: Annotated[float, Range(0.0, 3600.0, open_low=True)]  #: of a clip; shorter ones end in silence
    step_seconds: Annotated[
        float, Range(0.0, 3600.0)
    ]  #: 0: the first clip of a file; else one every so often
    window_ms: Milliseconds  #: of samples in a spectrum
    hop_ms: Milliseconds  #: from one spectrum to the next
    mels: Annotated[int, Range(1, 512)]  #: bands of a spectrum
    low_hz: Annotated[float, Range(0.0, 96_000.0)]  #: where the first band begins
    high_hz: Annotated[float, Range(0.0, 96_000.0, open_low=True)]  #: where the last band ends
    floor_db: Annotated[
        float, Range(-200.0, 0.0, open_high=True)
    ]  #: what becomes 0; a full-scale sine is 0 dB, 1
    group: str  #: regular expression whose first group, found in a file's name, names the speaker; "": none

    def problems(self) -> list[str]:
        """What is wrong with knobs that depend on one another, a line each."""
        found = []
        if self.high_hz > self.rate / 2:
            found.append(
                f"data.audio.high_hz: {self.high_hz:g} is out of range; {self.rate} samples per second hold "
                f"nothing above {self.rate / 2:g} Hz"
            )
        if self.low_hz >= self.high_hz:
            found.append(f"data.audio.low_hz: {self.low_hz:g} must be below high_hz, {self.high_hz:g}")
        if self.window_ms > 1000 * self.seconds:
            found.append(
                f"data.audio.window_ms: {self.window_ms:g} is longer than a clip of {self.seconds:g} s"
            )
        if round(self.rate * self.hop_ms / 1000) < 1 or round(self.rate * self.window_ms / 1000) < 2:
            found.append(
                f"data.audio: at {self.rate} samples per second, window_ms and hop_ms must hold at least "
                f"2 and 1 samples, but they are {self.window_ms:g} and {self.hop_ms:g}"
            )
        return found + problems_of_group(self.group, "data.audio.group")


def problems_of_group(pattern: str, where: str) -> list[str]:
    """What is wrong with a regular expression that has to have a group, a line."""
    try:
        if pattern and re.compile(pattern).groups < 1:
            return [
                f"{where}: {pattern!r} has no group in parentheses, which would give the name; write '^(\\w+)_'"
            ]
    except re.error as error:
        return [f"{where}: {pattern!r} is no regular expression: {error}"]
    return []
