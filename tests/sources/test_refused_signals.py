"""docs/audio-and-sensors.md: its table of what is refused, its sections of params.yaml, its formula.

``python -m tests.sources.test_refused_signals`` writes the table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from edgebuild.errors import UsageError
from edgebuild.params.audio import Audio
from edgebuild.params.data import Data, Image
from edgebuild.params.sensors import Channel, Sensors
from edgebuild.params.task import Task
from edgebuild.params.tfrecord import TFRecord
from edgebuild.sources.audio_folder import transform
from edgebuild.sources.registry import load
from edgebuild.strict import build
from tests.documented import row, rows_of, table, workspace, written
from tests.sources.conftest import data
from tests.sources.sounds import sine, wav
from tests.sources.tfrecords import example, write

DOCUMENT = Path(__file__).parents[2] / "docs/audio-and-sensors.md"

AUDIO = Audio(
    rate=8000, seconds=0.1, step_seconds=0.0, window_ms=32.0, hop_ms=16.0, mels=8, low_hz=50.0, high_hz=4000.0,
    floor_db=-80.0, group="",
)  # fmt: skip
SENSORS = Sensors(
    rate=10.0, window=8, hop=4, channels={"x": Channel(), "y": Channel(0.0, 10.0)}, time="t", label="", recording="",
    group="", gaps="refuse",
)  # fmt: skip
SOUND: Mapping[str, Any] = {"source": "audio_folder", "folder": "words", "audio": AUDIO}
SIGNAL: Mapping[str, Any] = {"source": "sensors", "folder": "log", "sensors": SENSORS}
RECORDS: Mapping[str, Any] = {
    "source": "tfrecord",
    "folder": "records",
    "image": Image(height=2, width=2, channels=1, fit="crop"),
    "tfrecord": TFRecord(image="image", label="label", classes="", group=""),
}


def words(change: Callable[[], object] | None = None) -> Callable[[], None]:
    def make() -> None:
        for name, hertz in (("no", 400.0), ("yes", 2000.0)):
            for number in range(4):
                wav(Path(f"words/{name}/{number}.wav"), sine(hertz, 0.1, 8000), 8000)
        if change:
            change()

    return make


def logs(**files: str) -> Callable[[], None]:
    """Recordings of two classes; ``calm_0="text"`` is what log/calm/0.csv holds instead."""

    def make() -> None:
        for name in ("calm", "wild"):
            for number in range(4):
                lines = [f"{k / 10},{np.sin(k):.3f},{k % 10}" for k in range(20)]
                text = files.get(f"{name}_{number}", "\n".join(["t,x,y", *lines]))
                Path(f"log/{name}").mkdir(parents=True, exist_ok=True)
                Path(f"log/{name}/{number}.csv").write_text(text)

    return make


def bad_sounds() -> None:
    whole = Path("words/no/0.wav").read_bytes()
    Path("words/no/0.wav").write_bytes(b"")
    Path("words/no/1.wav").write_bytes(whole[:800])
    Path("words/no/2.wav").write_bytes(b"fLaC" + whole)
    Path("words/no/3.wav").write_bytes(whole[:20] + b"\x07" + whole[21:])
    Path("words/yes/notes.txt").write_text("hello")
    wav(Path("words/yes/0.wav"), np.full(800, np.nan), 8000, 3, 32)


def rows(*lines: str) -> str:
    return "\n".join(["t,x,y", *lines])


def records(*examples: bytes) -> Callable[[], None]:
    return lambda: write(Path("records/a.tfrecord"), examples) and None


GOOD = example(image=bytes(4), label=[0])
TABLES = {
    "calm_0": rows("0.0,1,1", "0.1,,2", "0.2,high,3"),
    "calm_1": rows("0.0,1,1", "0.1,nan,2"),
    "calm_2": rows("0.0,1,1", "0.0,2,2", "0.1,3,3", "0.4,4,4"),
    "calm_3": "t;x;y\n0;1;2\n",
    "wild_0": "",
    "wild_1": rows("0.0,1,1", "0.1,1,1"),
    "wild_2": "time,x,y\n0,1,2\n",
}
Case = tuple[Callable[[], object], Mapping[str, Any], str]
CASES: Mapping[str, Case] = {
    "sounds of six bad kinds": (words(bad_sounds), SOUND, "classification"),
    "a name without a speaker": (
        words(), {**SOUND, "audio": replace(AUDIO, group="^([0-2])")}, "classification",
    ),
    "a list of files that are not there": (
        words(lambda: Path("words/testing_list.txt").write_text("yes/9.wav\n")), SOUND, "classification",
    ),
    "mel bands between two frequencies": (words(), {**SOUND, "audio": replace(AUDIO, mels=100)}, "classification"),
    "several labels for a sound": (words(), SOUND, "multilabel"),
    "tables of seven bad kinds": (logs(**TABLES), SIGNAL, "classification"),
    "another rate": (logs(), {**SIGNAL, "sensors": replace(SENSORS, rate=50.0)}, "classification"),
    "a channel that never changes": (
        logs(**{f"{name}_{number}": rows(*(f"{k / 10},7,{k % 9}" for k in range(20)))
                for name in ("calm", "wild") for number in range(4)}), SIGNAL, "classification",
    ),
    "no column for a regression": (logs(), SIGNAL, "regression"),
    "no files": (lambda: Path("records").mkdir(), RECORDS, "classification"),
    "no TFRecord file": (
        lambda: (Path("records").mkdir(), Path("records/a.tfrecord").write_text("image,label\n1.png,0\n")), RECORDS,
        "classification",
    ),
    "a truncated file": (
        lambda: (records(GOOD, GOOD)(), Path("records/a.tfrecord").write_bytes(
            Path("records/a.tfrecord").read_bytes()[:-3])), RECORDS, "classification",
    ),
    "records of three bad kinds": (
        records(GOOD, example(label=[1]), example(image=b"GIF89a", label=[1]), example(image=[1, 300], label=[1])),
        RECORDS, "classification",
    ),
    "a label that is no class": (records(GOOD, example(image=bytes(4), label=[0.5])), RECORDS, "classification"),
}  # fmt: skip

#: What params.yaml itself is refused for, before anything is read.
PARAMS: Mapping[str, Mapping[str, Any]] = {
    "a band above what the rate holds": {**SOUND, "audio": replace(AUDIO, high_hz=5000.0)},
    "a window longer than a clip": {**SOUND, "audio": replace(AUDIO, seconds=0.02)},
    "a pattern without a group": {**SOUND, "audio": replace(AUDIO, group="^.+_nohash_")},
    "half a range": {**SIGNAL, "sensors": replace(SENSORS, channels={"x": Channel(low=0.0)})},
    "a label among the channels": {**SIGNAL, "sensors": replace(SENSORS, label="x")},
}


def message(case: str, folder: Path) -> str:
    make, params, task = CASES[case]
    with workspace(folder, "shapes"):
        make()
        section = data(**params)
        assert section.problems() == []
        with pytest.raises(UsageError) as refused:
            load(section, task)
    return str(refused.value)


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_what_is_refused_is_documented_with_its_message(case: str, tmp_path: Path, text: str) -> None:
    assert row(case, message(case, tmp_path)) in text


@pytest.mark.parametrize("case", PARAMS)
def test_so_is_what_params_cannot_mean(case: str, text: str) -> None:
    (problem,) = data(**PARAMS[case]).problems()
    assert row(case, problem) in text


def test_nothing_else_is_documented(text: str) -> None:
    assert rows_of(text).count("\n") == len(CASES) + len(PARAMS) + 2


def test_every_documented_section_is_allowed(text: str) -> None:
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    assert len(blocks) == 5
    for block in blocks:
        section = YAML(typ="safe").load(block)
        for kind, value in ((Data, section["data"]), (Task, section.get("task", {"kind": "classification"}))):
            found, problems = build(kind, value)
            assert problems == []
            assert found is not None
            assert found.problems() == []  # type: ignore[attr-defined]


def test_the_documented_formula_is_what_the_stage_computes(text: str) -> None:
    scope: dict[str, Any] = {}
    exec(text.split("```python\n")[1].partition("```")[0], scope)
    how = transform(AUDIO)
    clip = np.random.default_rng(0).uniform(-1, 1, how.samples) * np.linspace(0, 1, how.samples) ** 4
    names = ("rate", "window", "hop", "fft", "mels", "low_hz", "high_hz", "floor_db")
    found = scope["log_mel"](clip, **{name: getattr(how, name) for name in names})
    np.testing.assert_array_equal(found, how.codes(clip)[..., 0])


def made() -> str:
    """The table of docs/audio-and-sensors.md."""
    lines = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(row(case, message(case, Path(folder))))
    lines += [row(case, data(**params).problems()[0]) for case, params in PARAMS.items()]
    return table(lines)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8"), made()), encoding="utf-8")
