"""WAV files: samples as float64 in [-1, 1], mixed to one channel, at the rate asked for.

The container is that of the "Multimedia Programming Interface and Data
Specifications 1.0" (IBM and Microsoft, 1991) with the WAVE_FORMAT_EXTENSIBLE of
"Multiple channel audio data and WAVE files" (Microsoft, 2001). The standard
library's ``wave`` knows neither floats nor, before Python 3.12, the latter.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError

__all__ = ["Sound", "mono", "read", "resample"]

Samples = npt.NDArray[np.float64]

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
OTHER = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 49: "GSM", 85: "MP3"}
UNTIL_THE_END = 0xFFFFFFFF  #: the size that programs write which stream and cannot go back

#: What a file begins with that is often mistaken for a WAV file.
MAGIC = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b"\xff\xfb": "MP3", b"FORM": "AIFF", b"RF64": "RF64"}


@dataclass(frozen=True)
class Sound:
    """``samples``: float64 ``(n, channels)``, full scale is 1; ``rate``: samples per second."""

    samples: Samples
    rate: int


def read(path: Path) -> Sound:
    """All of a WAV file of PCM (8, 16, 24, 32 bits) or IEEE floats (32, 64 bits).

    Raises:
        DataError: no WAV file, another encoding, damaged, truncated or without samples.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if not data:
        raise DataError(f"{path} is empty; remove it")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        named = next((f"a {name}" for magic, name in MAGIC.items() if data.startswith(magic)), "no WAV")
        raise DataError(f"{path} is {named} file; convert it to WAV (ffmpeg -i {path.name} out.wav)")
    header, body = _chunks(data, path)
    encoding, channels, rate, bits = header
    if encoding not in (PCM, FLOAT) or (encoding, bits) not in DECODERS:
        what = OTHER.get(encoding, f"encoding {encoding}") if encoding not in (PCM, FLOAT) else f"{bits} bits"
        raise DataError(
            f"{path}: PCM of 8, 16, 24 or 32 bits or floats of 32 or 64 bits are required, but it holds "
            f"{what}; convert it (ffmpeg -i {path.name} -c:a pcm_s16le out.wav)"
        )
    if channels < 1 or rate < 1:
        raise DataError(f"{path} is damaged: it states {channels} channels at {rate} Hz; write it again")
    frame = channels * bits // 8
    if len(body) < frame:
        raise DataError(f"{path} holds no samples; remove it")
    samples = DECODERS[encoding, bits](body[: len(body) // frame * frame])
    if not np.isfinite(samples).all():
        raise DataError(f"{path} holds samples that are NaN or infinite; write it again")
    return Sound(samples.reshape(-1, channels), rate)


def mono(sound: Sound, rate: int) -> Samples:
    """float64 ``(n,)``: the mean of the channels, resampled to ``rate`` where that differs."""
    mixed = sound.samples.mean(axis=1)
    if sound.rate == rate:
        return mixed
    common = math.gcd(sound.rate, rate)
    return resample(mixed, rate // common, sound.rate // common)


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


def _chunks(data: bytes, path: Path) -> tuple[tuple[int, int, int, int], bytes]:
    """(encoding, channels, rate, bits per sample) and the bytes of the samples."""
    header: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"fmt " and at + 16 <= len(data):
            encoding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at)
            if encoding == EXTENSIBLE and size >= 26 and at + 26 <= len(data):
                (encoding,) = struct.unpack_from("<H", data, at + 24)  # the first field of the subformat's GUID
            header = encoding, channels, rate, bits
        elif name == b"data":
            if header is None:
                break
            if size != UNTIL_THE_END and at + size > len(data):
                raise DataError(
                    f"{path} is truncated: it states {size} bytes of samples, but {len(data) - at} are there; "
                    f"copy it again"
                )
            return header, data[at : at + size]
        at += size + size % 2  # chunks begin at even offsets
    raise DataError(f"{path} is damaged: it has no samples or does not say how they are stored; write it again")


def _pcm8(body: bytes) -> Samples:
    return (np.frombuffer(body, np.uint8) - 128.0) / 128.0  # the one size that is unsigned


def _pcm24(body: bytes) -> Samples:
    wide = np.zeros((len(body) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0] / 2.0**31  # three bytes in the upper part keep their sign


DECODERS = {
    (PCM, 8): _pcm8,
    (PCM, 16): lambda body: np.frombuffer(body, "<i2") / 2.0**15,
    (PCM, 24): _pcm24,
    (PCM, 32): lambda body: np.frombuffer(body, "<i4") / 2.0**31,
    (FLOAT, 32): lambda body: np.frombuffer(body, "<f4").astype(np.float64),
    (FLOAT, 64): lambda body: np.frombuffer(body, "<f8").astype(np.float64),
}

