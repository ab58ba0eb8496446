"""Four spoken-like words by 24 synthetic speakers, as WAV files: `python make.py OUT`.

No recordings: every file is synthesised, source and filter, as formant
synthesizers do (Klatt 1980, "Software for a cascade/parallel formant
synthesizer", JASA 67(3)). A glottal flow (Rosenberg 1971, "Effect of glottal
pulse shape on the quality of natural vowels", JASA 49) excites a cascade of
resonators whose frequencies glide from sound to sound; vowels are the means that
Peterson and Barney measured for men, women and children (1952, "Control methods
used in a study of the vowels", JASA 24(2)), the glides w and j those of Klatt's
table. Speakers differ in pitch, length of the vocal tract, rate and breath;
rooms in noise and, for some speakers, in the recorder's rate and channels.

OUT/<word>/<speaker>_nohash_<n>.wav, named as Speech Commands names its files.
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RATE = 16_000
LENGTH = RATE  # one second
SPEAKERS, REPEATS = 24, 8  # and takes of each word by each speaker
TOGETHER = 6  # speakers synthesised at once, which is quicker

#: First three formants in Hz: man, woman, child.
SOUNDS = {
    "i": ((270, 2290, 3010), (310, 2790, 3310), (370, 3200, 3730)),
    "I": ((390, 1990, 2550), (430, 2480, 3070), (530, 2730, 3600)),
    "a": ((730, 1090, 2440), (850, 1220, 2810), (1030, 1370, 3170)),
    "u": ((300, 870, 2240), (370, 950, 2670), (430, 1170, 3260)),
    "U": ((440, 1020, 2240), (470, 1160, 2680), (560, 1410, 3310)),
    "w": ((285, 610, 2150), (320, 690, 2550), (370, 800, 3000)),
    "j": ((260, 2070, 3020), (300, 2450, 3300), (350, 2900, 3700)),
}
#: What follows what, and how long each sound is held; between them the formants glide.
WORDS = {
    "we": (("w", 0.05), ("i", 0.18)),
    "you": (("j", 0.05), ("u", 0.18)),
    "why": (("w", 0.05), ("a", 0.10), ("I", 0.08)),
    "yow": (("j", 0.05), ("a", 0.10), ("U", 0.08)),
}
GLIDE = 0.07  # seconds from one sound to the next
PITCH = ((95, 135), (175, 240), (240, 320))  # Hz: man, woman, child


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python make.py OUT")
    out, generator = Path(sys.argv[1]), np.random.Generator(np.random.PCG64(2026))
    for batch in range(SPEAKERS // TOGETHER):
        takes = []
        for speaker in range(batch * TOGETHER, (batch + 1) * TOGETHER):
            kind = speaker % 3
            voice = Voice(kind, generator)
            recorder = {5: (44_100, 1), 11: (22_050, 1), 17: (16_000, 2)}.get(speaker, (16_000, 1))
            for word in WORDS:
                for n in range(REPEATS):
                    path = out / word / f"{voice.name}_nohash_{n}.wav"
                    takes.append((path, recorder, *voice.utter(WORDS[word], generator)))
        excitation, formants = (np.stack([take[k] for take in takes]) for k in (2, 3))
        for clip, (path, recorder, *_) in zip(record(excitation, formants, generator), takes, strict=True):
            write(path, clip, *recorder)
    print(f"{SPEAKERS * len(WORDS) * REPEATS} synthesised files of {', '.join(WORDS)} in {out}")


class Voice:
    """One speaker: what stays the same from word to word."""

    def __init__(self, kind: int, generator: np.random.Generator) -> None:
        self.kind = kind  # man, woman, child
        self.pitch, self.tract = generator.uniform(*PITCH[kind]), generator.uniform(0.93, 1.07)
        self.rate, self.breath = generator.uniform(0.8, 1.25), generator.uniform(0.01, 0.08)
        self.name = f"{generator.integers(1 << 32):08x}"

    def utter(
        self, sounds: tuple[tuple[str, float], ...], generator: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """The excitation ``(LENGTH,)`` and the four formants ``(LENGTH, 4)`` in Hz of one utterance."""
        time = np.arange(LENGTH) / RATE
        knots, targets = self._trajectory(sounds, generator)
        start = generator.uniform(0.05, 0.95 - knots[-1])
        formants = np.full((LENGTH, 4), (3500, 4100, 4500)[self.kind] * self.tract)
        for f in range(3):
            formants[:, f] = np.interp(time - start, knots, targets[:, f])
        fade = np.clip(np.minimum(time - start, start + knots[-1] - time) / 0.03, 0, 1)
        fall = np.interp(time - start, (0, knots[-1]), (1.0, generator.uniform(0.75, 1.1)))
        flutter = 1 + 0.01 * np.sin(2 * np.pi * 5 * time + generator.uniform(0, 6))
        phase = np.cumsum(self.pitch * generator.uniform(0.92, 1.08) * fall * flutter) / RATE
        return fade * (_glottis(phase % 1) + self.breath * generator.standard_normal(LENGTH)), formants

    def _trajectory(
        self, sounds: tuple[tuple[str, float], ...], generator: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Times ``(k,)`` in seconds and formants ``(k, 3)`` in Hz at them."""
        times, formants, at = [], [], 0.0
        for sound, seconds in sounds:
            seconds *= self.rate * generator.uniform(0.8, 1.2)
            target = np.array(SOUNDS[sound][self.kind]) * self.tract * generator.normal(1, 0.04, 3)
            times += [at, at + seconds]
            formants += [target, target]
            at += seconds + GLIDE * self.rate
        return np.array(times), np.array(formants)


def record(excitation: Floats, formants: Floats, generator: np.random.Generator) -> Floats:
    """Voices in noisy rooms, float64 ``(n, LENGTH)`` in [-1, 1]."""
    voice = np.diff(_resonate(excitation, formants), axis=1, prepend=0.0)  # lips radiate the derivative
    voice *= generator.uniform(0.1, 0.6, (len(voice), 1)) / np.abs(voice).max(axis=1, keepdims=True)
    noise = _pink(generator.standard_normal(voice.shape))
    decibels = generator.uniform(4, 24, (len(voice), 1))  # of the voice above the noise
    noise *= np.sqrt((voice**2).mean(axis=1, keepdims=True)) * 10 ** (-decibels / 20)
    return np.clip(voice + noise, -1, 1)


def _glottis(phase: Floats) -> Floats:
    """Rosenberg's flow: it opens over 40% of a period, closes over 16%, and rests."""
    opening = 0.5 * (1 - np.cos(np.pi * phase / 0.40))
    closing = np.cos(np.pi / 2 * (phase - 0.40) / 0.16)
    return np.where(phase < 0.40, opening, np.where(phase < 0.56, closing, 0.0))


def _resonate(signal: Floats, formants: Floats) -> Floats:
    """Klatt's resonators one after the other, ``y = A x + B y[-1] + C y[-2]``, for all clips at once."""
    for f, bandwidth in enumerate((60, 90, 150, 250)):
        c = -np.exp(-2 * np.pi * bandwidth / RATE)
        b = 2 * np.exp(-np.pi * bandwidth / RATE) * np.cos(2 * np.pi * formants[:, :, f] / RATE)
        inputs, result = ((1 - b - c) * signal).T.copy(), np.zeros((LENGTH + 2, len(signal)))
        steps = b.T.copy()
        for t in range(LENGTH):
            result[t + 2] = inputs[t] + steps[t] * result[t + 1] + c * result[t]
        signal = result[2:].T
    return signal


def _pink(white: Floats) -> Floats:
    """Noise of variance 1 whose power falls as 1/f, as that of rooms does."""
    spectrum = np.fft.rfft(white)
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[1]), 20))
    noise = np.fft.irfft(spectrum, white.shape[1])
    return noise / noise.std(axis=1, keepdims=True)


def write(path: Path, clip: Floats, rate: int, channels: int) -> None:
    """16-bit PCM at ``rate``, the clip being at ``RATE``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(LENGTH * rate // RATE) / rate
    samples = np.interp(times, np.arange(LENGTH) / RATE, clip)
    codes = np.repeat(np.rint(samples * 32_767).astype("<i2"), channels)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(codes.tobytes())


if __name__ == "__main__":
    main()
