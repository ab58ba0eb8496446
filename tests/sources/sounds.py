"""WAV files for tests, written byte by byte: the reader is not judged by its own idea of the format."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]


def encoded(samples: Samples, encoding: int, bits: int) -> bytes:
    """Interleaved ``samples`` (full scale 1) as PCM (1) or floats (3)."""
    if encoding == 3:
        return samples.astype(f"<f{bits // 8}").tobytes()
    codes = np.rint(samples * 2 ** (bits - 1)).astype(np.int64)
    if bits == 8:
        return (codes + 128).astype(np.uint8).tobytes()
    return b"".join(int(code).to_bytes(bits // 8, "little", signed=True) for code in codes.ravel())


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def form(encoding: int, channels: int, rate: int, bits: int) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", encoding, channels, rate, rate * frame, frame, bits)


def wav(path: Path, samples: Samples, rate: int = 16_000, encoding: int = 1, bits: int = 16) -> Path:
    """Write ``samples``, ``(n,)`` or ``(n, channels)``, and the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    path.write_bytes(
        riff((b"fmt ", form(encoding, channels, rate, bits)), (b"data", encoded(samples, encoding, bits)))
    )
    return path


def sine(hertz: float, seconds: float = 1.0, rate: int = 16_000, amplitude: float = 0.5) -> Samples:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
