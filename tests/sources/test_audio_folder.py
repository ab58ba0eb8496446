"""Sounds in a folder for each class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.params.audio import Audio
from edgebuild.sources.audio_folder import transform
from edgebuild.sources.registry import load
from edgebuild.sources.source import Source
from tests.sources.conftest import data
from tests.sources.sounds import sine, wav

AUDIO = Audio(
    rate=8000, seconds=0.1, step_seconds=0.0, window_ms=32, hop_ms=16, mels=8, low_hz=50, high_hz=4000,
    floor_db=-80, group="",
)  # fmt: skip
TONES = {"high": 2000.0, "low": 400.0}


def read(folder: Path, task: str = "classification", sizes: int = 1, **changes: Any) -> Source:
    params = data(source="audio_folder", folder=str(folder), audio=replace(AUDIO, **changes))
    return load(replace(params, validation=sizes, calibration=sizes, test=sizes), task)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tones by three speakers, two takes each."""
    for name, hertz in TONES.items():
        for speaker in ("ann", "bob", "eve", "joe"):
            for take in range(2):
                wav(
                    tmp_path / name / f"{speaker}_nohash_{take}.wav",
                    sine(hertz + 10 * take, 0.1, 8000),
                    8000,
                )
    return tmp_path


def test_every_file_is_a_spectrogram_and_every_folder_a_class(folder: Path) -> None:
    found = read(folder)
    assert found.classes == ("high", "low")
    assert found.images.shape == (16, 5, 8, 1)
    assert found.labels.tolist() == [0] * 8 + [1] * 8
    loudest = found.images[np.arange(16)].mean(axis=(1, 3)).argmax(axis=1)
    assert loudest[:8].min() > loudest[8:].max()
    assert found.groups is None


def test_the_data_card_gets_the_constants_and_how_often_the_bounds_were_reached(folder: Path) -> None:
    features = read(folder).features
    assert features is not None
    assert features["kind"] == "log_mel"
    assert (features["rate_hz"], features["clip_samples"], features["fft"]) == (8000, 800, 256)
    assert 0 <= features["codes_at_0_db"] <= features["codes_at_floor"] < 1


def test_other_rates_and_channels_give_nearly_the_same_spectrogram(folder: Path) -> None:
    stereo = np.repeat(sine(400, 0.1, 44_100)[:, np.newaxis], 2, axis=1)
    wav(folder / "low" / "zoe_nohash_0.wav", stereo, 44_100, bits=24)
    images = read(folder).images[np.array([8, 16])].astype(int)
    assert (
        np.abs(images[0, :, :5] - images[1, :, :5]).max() <= 4
    )  # the filter's ringing is in the quiet bands


def test_short_clips_end_in_silence_and_long_ones_are_cut(folder: Path) -> None:
    wav(folder / "low" / "x_nohash_0.wav", sine(400, 0.05, 8000), 8000)
    wav(
        folder / "low" / "x_nohash_1.wav", np.concatenate([sine(400, 0.1, 8000), sine(2000, 1.0, 8000)]), 8000
    )
    images = read(folder).images[np.array([8, 16, 17])]
    assert images[1, -1].max() == 0
    np.testing.assert_array_equal(images[0], images[2])


def test_a_step_cuts_long_files_into_clips_that_stay_together(folder: Path) -> None:
    wav(folder / "low" / "long.wav", sine(400, 0.36, 8000), 8000)
    found = read(folder, step_seconds=0.05)
    assert len(found.labels) == 16 + 6
    assert found.groups is not None
    assert found.groups.tolist()[-7:] == [15, *[16] * 6]


def test_speakers_are_groups_by_the_names_of_files(folder: Path) -> None:
    groups = read(folder, group="^(.+)_nohash_", sizes=4).groups
    assert groups is not None
    assert groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] * 2


def test_the_lists_of_speech_commands_place_files(folder: Path) -> None:
    (folder / "testing_list.txt").write_text("high/ann_nohash_0.wav\nlow/ann_nohash_0.wav\n")
    (folder / "validation_list.txt").write_text("high/bob_nohash_0.wav\nlow/bob_nohash_0.wav\n")
    wav(folder / "_background_noise_" / "hum.wav", sine(50, 0.1, 8000), 8000)
    split = read(folder).split
    assert split is not None
    assert split.tolist() == ["test", "", "validation", *[""] * 5] * 2


def test_train_and_test_folders_stay_what_they_are(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    above = tmp_path_factory.mktemp("above")
    for split in ("train", "test"):
        for name, hertz in TONES.items():
            for take in range(3):
                wav(above / split / name / f"{take}.wav", sine(hertz, 0.1, 8000), 8000)
    split = read(above).split
    assert split is not None
    assert sorted(split.tolist()) == ["test"] * 6 + ["train"] * 6


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    (folder / "high" / "ann_nohash_0.wav").write_bytes(b"")
    (folder / "high" / "ann_nohash_1.wav").write_bytes(b"ID3 music")
    (folder / "low" / "readme.txt").write_text("?")
    wav(folder / "low" / "me.wav", np.full(800, np.nan), 8000, 3, 32)
    (folder / "silence").mkdir()
    with pytest.raises(DataError) as caught:
        read(folder)
    message = str(caught.value)
    assert "5 faults; repair or remove what is listed" in message
    for line in (
        "silence/: a class without files", "high/ann_nohash_0.wav: empty file", "no WAV file, but MP3",
        "low/readme.txt: its name does not end in .wav", "low/me.wav: it holds samples that are NaN",
    ):  # fmt: skip
        assert line in message


def test_a_name_without_a_speaker_is_a_fault(folder: Path) -> None:
    wav(folder / "low" / "someone.wav", sine(400, 0.1, 8000), 8000)
    with pytest.raises(
        DataError, match="low/someone.wav: data.audio.group, '.*', finds nothing in 'someone.wav'"
    ):
        read(folder, group="^(.+)_nohash_")


def test_a_list_that_names_no_file_is_a_fault(folder: Path) -> None:
    (folder / "testing_list.txt").write_text("high/nobody.wav\n")
    with pytest.raises(DataError, match="testing_list.txt, line 1: there is no file high/nobody.wav"):
        read(folder)


def test_a_split_that_cannot_be_drawn_is_refused_before_anything_is_transformed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebuild.sources.logmel.LogMel.codes", lambda *_: pytest.fail("was transformed"))
    with pytest.raises(DataError):
        read(folder, sizes=10)


def test_anomaly_detection_takes_every_class_but_normal_as_anomaly(folder: Path) -> None:
    (folder / "low").rename(folder / "normal")
    found = read(folder, "anomaly", sizes=2)
    assert found.classes == ("normal", "anomaly")
    assert found.labels.tolist() == [1] * 8 + [0] * 8


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"high_hz": 4001.0},
            "high_hz: 4001 is out of range; 8000 samples per second hold nothing above 4000 Hz",
        ),
        ({"low_hz": 4000.0}, "low_hz: 4000 must be below high_hz"),
        ({"window_ms": 101.0}, "window_ms: 101 is longer than a clip of 0.1 s"),
        ({"hop_ms": 0.01}, "must hold at least 2 and 1 samples"),
        ({"group": "^x"}, "has no group in parentheses"),
        ({"group": "("}, "is no regular expression"),
    ],
)
def test_knobs_that_cannot_be_meant_are_refused(changes: dict[str, Any], problem: str) -> None:
    assert not AUDIO.problems()
    assert any(problem in line for line in replace(AUDIO, **changes).problems())


def test_lengths_are_whole_samples() -> None:
    how = transform(replace(AUDIO, rate=11_025, seconds=0.1))
    assert (how.samples, how.window, how.hop) == (1102, 353, 176)
