"""WAV files of every kind, resampling, and what is no WAV file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from edgebuild.sources.wav import Sound, Unusable, inspect, length, mono, read, resample
from tests.sources.sounds import encoded, form, riff, sine, wav

STEREO = np.stack([sine(440, 0.01), -0.25 * np.ones(160)], axis=1)


@pytest.mark.parametrize(
    ("encoding", "bits", "step"),
    [(1, 8, 2**-7), (1, 16, 2**-15), (1, 24, 2**-23), (1, 32, 2**-31), (3, 32, 1e-7), (3, 64, 1e-15)],
)
def test_every_encoding_gives_the_samples_back(tmp_path: Path, encoding: int, bits: int, step: float) -> None:
    found = read(wav(tmp_path / "a.wav", STEREO, 22_050, encoding, bits))
    assert (found.rate, found.samples.shape, found.samples.dtype) == (22_050, (160, 2), np.float64)
    np.testing.assert_allclose(found.samples, STEREO, rtol=0, atol=step)


def test_extensible_files_with_other_chunks_are_read(tmp_path: Path) -> None:
    extension = struct.pack("<HHIH14s", 22, 16, 4, 1, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
    samples = sine(100, 0.01)
    chunks = (
        (b"LIST", b"odd"),
        (b"fmt ", form(0xFFFE, 1, 8000, 16) + extension),
        (b"data", encoded(samples, 1, 16)),
    )
    (tmp_path / "a.wav").write_bytes(riff(*chunks))
    np.testing.assert_allclose(read(tmp_path / "a.wav").samples[:, 0], samples, atol=2**-15)


def test_a_streamed_file_lasts_until_its_end(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", sine(100, 0.01))
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert len(read(path).samples) == 160


def test_channels_are_averaged(tmp_path: Path) -> None:
    mixed = mono(read(wav(tmp_path / "a.wav", STEREO, 16_000, 3, 64)), 16_000)
    np.testing.assert_array_equal(mixed, STEREO.mean(axis=1))


@given(up=st.integers(1, 12), down=st.integers(1, 12), samples=st.integers(1, 80), seed=st.integers(0, 99))
def test_resampling_agrees_with_scipy(up: int, down: int, samples: int, seed: int) -> None:
    common = int(np.gcd(up, down))
    signal = np.random.default_rng(seed).standard_normal(samples)
    found = resample(signal, up // common, down // common)
    expected = resample_poly(signal, up, down) if up != down else found
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_tone_keeps_its_pitch_and_what_the_new_rate_cannot_hold_is_gone() -> None:
    both = sine(1000, 1.0, 44_100) + sine(15_000, 1.0, 44_100)
    found = mono(Sound(both[:, np.newaxis], 44_100), 16_000)
    assert len(found) == 16_000
    np.testing.assert_allclose(found[200:-200], sine(1000)[200:-200], atol=2e-3)


def test_the_length_is_known_from_the_header(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", sine(100, 0.0317, 11_025), 11_025)
    assert length(inspect(path), 16_000) == len(mono(read(path), 16_000))


def damaged(change: str) -> bytes:
    whole = riff((b"fmt ", form(1, 1, 16_000, 16)), (b"data", bytes(320)))
    return {
        "empty": b"",
        "flac": b"fLaC" + whole,
        "text": b"hello, this is text",
        "truncated": whole[:-20],
        "no samples": riff((b"fmt ", form(1, 1, 16_000, 16)), (b"data", b"")),
        "no data": riff((b"fmt ", form(1, 1, 16_000, 16))),
        "data first": riff((b"data", bytes(320)), (b"fmt ", form(1, 1, 16_000, 16))),
        "mu-law": riff((b"fmt ", form(7, 1, 8000, 8)), (b"data", bytes(80))),
        "12 bits": riff((b"fmt ", form(1, 1, 8000, 12)), (b"data", bytes(80))),
        "unknown": riff((b"fmt ", form(999, 1, 8000, 16)), (b"data", bytes(80))),
        "no channels": riff((b"fmt ", form(1, 0, 16_000, 16)), (b"data", bytes(320))),
        "nan": riff((b"fmt ", form(3, 1, 8000, 32)), (b"data", b"\0\0\xc0\x7f" * 9)),
    }[change]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("empty", "empty file"),
        ("flac", "no WAV file, but FLAC; ffmpeg -i a.wav out.wav converts it"),
        ("text", "no WAV file;"),
        ("truncated", "truncated: it states 320 bytes of samples, but 300 are there"),
        ("no samples", "it holds no samples"),
        ("no data", "damaged: it has no samples"),
        ("data first", "damaged: it has no samples"),
        ("mu-law", "mu-law of 8 bits, but PCM of 8, 16, 24 or 32 bits or floats"),
        ("12 bits", "PCM of 12 bits, but"),
        ("unknown", "encoding 999 of 16 bits, but"),
        ("no channels", "damaged: it states 0 channels at 16000 Hz"),
        ("nan", "samples that are NaN or infinite"),
    ],
)
def test_what_is_no_usable_wav_file_is_refused(tmp_path: Path, change: str, message: str) -> None:
    (tmp_path / "a.wav").write_bytes(damaged(change))
    with pytest.raises(Unusable, match=message):
        read(tmp_path / "a.wav")


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVEfmt " + tail)
    try:
        assert len(read(path).samples)
    except Unusable as error:
        assert str(error)
