"""WAV files: samples as float64 in [-1, 1], mixed to one channel, at the rate asked for.

The container is that of the "Multimedia Programming Interface and Data
Specifications 1.0" (IBM and Microsoft, 1991) with the WAVE_FORMAT_EXTENSIBLE of
"Multiple channel audio data and WAVE files" (Microsoft, 2001). The standard
library's ``wave`` knows neither floats nor, before Python 3.12, the latter.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

__all__ = ["Header", "Sound", "Unusable", "inspect", "length", "mono", "read", "resample"]

Samples = npt.NDArray[np.float64]

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
OTHER = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 49: "GSM", 85: "MP3"}
UNTIL_THE_END = 0xFFFFFFFF  #: the size that programs write which stream and cannot go back

#: What a file begins with that is often mistaken for a WAV file.
MAGIC = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b"\xff\xfb": "MP3", b"FORM": "AIFF", b"RF64": "RF64"}


class Unusable(ValueError):
    """A file is no sound that can be used; the message says why, but not which file."""


@dataclass(frozen=True)
class Sound:
    """``samples``: float64 ``(n, channels)``, full scale is 1; ``rate``: samples per second."""

    samples: Samples
    rate: int


@dataclass(frozen=True)
class Header:
    """How the samples are stored, and the first byte and number of bytes of them."""

    encoding: int
    channels: int
    rate: int
    bits: int
    start: int
    size: int

    @property
    def frames(self) -> int:
        """Samples per channel."""
        return self.size * 8 // (self.channels * self.bits)


def read(path: Path) -> Sound:
    """All of a WAV file of PCM (8, 16, 24, 32 bits) or IEEE floats (32, 64 bits).

    Raises:
        Unusable: no WAV file, another encoding, damaged, truncated, or without samples.
    """
    header = inspect(path)
    with path.open("rb") as file:
        file.seek(header.start)
        body = file.read(header.frames * header.channels * header.bits // 8)
    samples = DECODERS[header.encoding, header.bits](body)
    if not np.isfinite(samples).all():
        raise Unusable("it holds samples that are NaN or infinite")
    return Sound(samples.reshape(-1, header.channels), header.rate)


def inspect(path: Path) -> Header:
    """What the file says about its samples, which are not read.

    Raises:
        Unusable: as :func:`read`, but for the samples themselves.
    """
    with path.open("rb") as file:
        start = file.read(12)
        if not start:
            raise Unusable("empty file")
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            kind = next((f"but {name}" for magic, name in MAGIC.items() if start.startswith(magic)), "")
            raise Unusable(f"no WAV file{kind and ', '}{kind}; ffmpeg -i {path.name} out.wav converts it")
        header = _header(file, path.stat().st_size)
    if (header.encoding, header.bits) not in DECODERS:
        known = {PCM: "PCM", FLOAT: "floats", **OTHER}.get(header.encoding, f"encoding {header.encoding}")
        raise Unusable(
            f"{known} of {header.bits} bits, but PCM of 8, 16, 24 or 32 bits or floats of 32 or 64 bits are "
            f"required; ffmpeg -i {path.name} -c:a pcm_s16le out.wav converts it"
        )
    if header.channels < 1 or header.rate < 1:
        raise Unusable(f"damaged: it states {header.channels} channels at {header.rate} Hz")
    if header.frames == 0:
        raise Unusable("it holds no samples")
    return header


def mono(sound: Sound, rate: int) -> Samples:
    """float64 ``(n,)``: the mean of the channels, resampled to ``rate`` where that differs."""
    mixed = sound.samples.mean(axis=1)
    up, down = _ratio(sound.rate, rate)
    return mixed if up == down else resample(mixed, up, down)


def length(header: Header, rate: int) -> int:
    """How many samples :func:`mono` gives."""
    up, down = _ratio(header.rate, rate)
    return -(-header.frames * up // down)


def _ratio(old: int, new: int) -> tuple[int, int]:
    common = math.gcd(old, new)
    return new // common, old // common


def resample(samples: Samples, up: int, down: int) -> Samples:
    """``samples`` at ``up / down`` times their rate; ``ceil(n * up / down)`` of them.

    Polyphase filtering with a Kaiser-windowed sinc (Crochiere and Rabiner 1983,
    "Multirate Digital Signal Processing", section 2.3): 10 zero crossings on
    either side, beta 5.0 (60 dB), cut off at the lower of the two Nyquist rates.
    """
    longest = max(up, down)
    half = 10 * longest
    time = np.arange(-half, half + 1)
    taps = np.sinc(time / longest) * np.kaiser(len(time), 5.0)
    taps *= up / taps.sum()
    n = -(-len(samples) * up // down)
    # Output i is the sum over k of taps[half + i * down - k * up] * samples[k]; outputs whose index is the
    # same modulo ``up`` use the same taps, each on a window that starts ``down`` samples later.
    width = -(-len(taps) // up)
    padded = np.pad(samples, (width, width + down))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    result = np.empty(n)
    for first in range(min(up, n)):
        last, phase = divmod(half + first * down, up)  # the newest sample reached, and its tap
        chosen = taps[phase::up]
        reach = np.zeros(width)
        reach[width - len(chosen) :] = chosen[::-1]
        start, count = last + 1, len(range(first, n, up))  # padding puts that window at last + 1
        result[first::up] = windows[start::down][:count] @ reach
    return result


def _header(file: IO[bytes], length: int) -> Header:
    """From the chunks of a file of ``length`` bytes that stands after its first twelve."""
    form: tuple[int, int, int, int] | None = None
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        at = file.tell()
        if name == b"fmt ":
            body = file.read(min(size, 40))
            if len(body) < 16:
                break
            encoding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if encoding == EXTENSIBLE and len(body) >= 26:
                (encoding,) = struct.unpack_from("<H", body, 24)  # the first field of the subformat's GUID
            form = encoding, channels, rate, bits
        elif name == b"data":
            if form is None:
                break
            if size != UNTIL_THE_END and at + size > length:
                raise Unusable(f"truncated: it states {size} bytes of samples, but {length - at} are there")
            return Header(*form, at, min(size, length - at))
        file.seek(at + size + size % 2)  # chunks begin at even offsets
    raise Unusable("damaged: it has no samples, or does not say how they are stored")


def _pcm8(body: bytes) -> Samples:
    return (np.frombuffer(body, np.uint8).astype(np.float64) - 128) / 128  # the one size that is unsigned


def _pcm24(body: bytes) -> Samples:
    wide = np.zeros((len(body) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
    return np.asarray(
        wide.view("<i4")[:, 0] / 2.0**31, np.float64
    )  # three bytes in the upper part keep their sign


DECODERS: Mapping[tuple[int, int], Callable[[bytes], Samples]] = {
    (PCM, 8): _pcm8,
    (PCM, 16): lambda body: np.frombuffer(body, "<i2") / 2.0**15,
    (PCM, 24): _pcm24,
    (PCM, 32): lambda body: np.frombuffer(body, "<i4") / 2.0**31,
    (FLOAT, 32): lambda body: np.frombuffer(body, "<f4").astype(np.float64),
    (FLOAT, 64): lambda body: np.frombuffer(body, "<f8").astype(np.float64),
}
