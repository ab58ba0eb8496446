"""Data that instruments record: sound as WAV files, and what a few of them say of all."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.errors import UsageError
from edgebuild.init.choice import Choice

if TYPE_CHECKING:
    from edgebuild.init.data import Data

__all__ = ["audio"]

#: Files that are looked at, evenly spread.
SAMPLE = 20
#: What keyword spotting uses (Zhang et al. 2017, "Hello Edge"); faster sampling adds little to speech.
RATE, WINDOW_MS, HOP_MS, MELS, LOW_HZ, FLOOR_DB = 16000, 40.0, 20.0, 40, 20.0, -80.0
#: Longer clips are cut into pieces of this length, seconds.
LONGEST = 2.0
#: What MLPerf Tiny's anomaly detection listens with; its clips overlap, dense networks want few inputs.
PIECE, STEP, PIECE_WINDOW_MS, PIECE_HOP_MS, PIECE_MELS, PIECE_FLOOR_DB = 0.512, 0.256, 64.0, 32.0, 32, -90.0
#: How Speech Commands names its speakers: ``0a7c2a8d_nohash_0.wav``.
SPEAKER, SPEAKER_MARK = "^(.+)_nohash_", "_nohash_"


def audio(path: Path, given: str, classes: Mapping[str, Sequence[Path]], task: str | None) -> Data:
    """Class folders of WAV files, to become log-mel spectrograms.

    Raises:
        UsageError: none of the files that are looked at can be read.
    """
    from edgebuild.init.data import Data, kind_of, placed
    from edgebuild.sources import wav

    files = [file for members in classes.values() for file in members]
    sounds, problem = [], ""
    for file in files[:: max(len(files) // SAMPLE, 1)]:
        try:
            sounds.append(wav.read(file))
        except (wav.Unusable, OSError) as error:
            problem = str(error)  # preparing the data names all that are damaged
    if not sounds:
        raise UsageError(f"--data {given}: none of the WAV files that were looked at can be read: {problem}")
    rate = min(Counter(sound.rate for sound in sounds).most_common(1)[0][0], RATE)
    length = statistics.median(len(sound.samples) / sound.rate for sound in sounds)
    kind = task or kind_of(classes)
    if kind == "anomaly" and length > PIECE:
        seconds, step, window, hop, mels, floor = (
            PIECE,
            STEP,
            PIECE_WINDOW_MS,
            PIECE_HOP_MS,
            PIECE_MELS,
            PIECE_FLOOR_DB,
        )
    else:
        seconds = round(min(length, LONGEST), 2)
        step = seconds if length > LONGEST else 0.0
        window, hop, mels, floor = WINDOW_MS, HOP_MS, MELS, FLOOR_DB
    clips = 1 + int((length - seconds) // step) if step else 1
    section = {
        "rate": rate,
        "seconds": seconds,
        "step_seconds": step,
        "window_ms": window,
        "hop_ms": hop,
        "mels": mels,
        "low_hz": LOW_HZ,
        "high_hz": rate / 2,
        "floor_db": floor,
        "group": SPEAKER if all(SPEAKER_MARK in file.name for file in files) else "",
    }
    frames = int((1000 * seconds - window) // hop) + 1
    return Data(
        "audio_folder",
        given,
        clips * len(files),
        tuple(classes),
        (frames, mels, 1),
        {"audio": section},
        placed(path),
        kind,
        choices=(
            Choice("data", f"{len(files):,} WAV files in {len(classes)} class folders", ", ".join(classes)),
            Choice(
                "sound",
                f"{seconds:g} s at {rate} Hz → {frames}×{mels} log-mel",
                f"median of {len(sounds)} files" + (f"; about {clips} clips of each" if step else ""),
            ),
        ),
    )
