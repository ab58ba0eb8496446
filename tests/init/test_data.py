"""What data are is read off their path; what cannot be read is refused with what was looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgebuild.errors import UsageError
from edgebuild.init.data import look
from tests.init.conftest import Make


def test_class_folders_of_images_get_their_median_size_and_channels(root: Path, images: Make) -> None:
    images(size=(30, 17))
    found = look(root, "photos", None, None)
    assert (found.source, found.folder, found.count, found.classes) == (
        "image_folder",
        "photos",
        40,
        ("cat", "dog"),
    )
    assert found.shape == (16, 24, 3)
    assert found.task == "classification"


def test_large_images_are_capped_and_that_is_said(root: Path, images: Make) -> None:
    images(size=(400, 200), count=2, mode="L")
    found = look(root, "photos", None, None)
    assert found.shape == (48, 96, 1)
    assert "median of 4 images looked at: 200×400, capped at 96 pixels" in [row.why for row in found.choices]


def test_the_teachers_input_decides_the_size(root: Path, images: Make) -> None:
    images()
    assert look(root, "photos", None, (64, 64, 3)).sections["image"]["height"] == 64


def test_folders_called_train_and_test_are_the_datas_own_split(root: Path, images: Make) -> None:
    images("photos/train")
    images("photos/test", count=3)
    found = look(root, "photos", None, None)
    assert (found.placed, found.classes, found.count) == ({"train", "test"}, ("cat", "dog"), 46)


def test_normal_and_anomaly_are_what_an_autoencoder_is_for(root: Path, images: Make) -> None:
    images(classes="normal anomaly")
    assert look(root, "photos", None, None).task == "anomaly"
    assert look(root, "photos", "classification", None).task == "classification"


def test_sounds_become_spectrograms_at_no_more_than_their_rate(root: Path, sounds: Make) -> None:
    sounds(rate=44100, name="ann_nohash_{}.wav")
    found = look(root, "words", None, None)
    section = found.sections["audio"]
    assert (section["rate"], section["seconds"], section["high_hz"]) == (16000, 0.5, 8000)
    assert section["group"] == "^(.+)_nohash_"
    assert found.shape == (24, 40, 1)


def test_long_sounds_of_a_machine_become_short_clips_that_overlap(
    root: Path, sounds: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebuild.init.recordings.PIECE", 0.25)
    monkeypatch.setattr("edgebuild.init.recordings.STEP", 0.125)
    sounds(classes="normal anomaly")
    found = look(root, "words", None, None)
    section = found.sections["audio"]
    assert (found.task, section["seconds"], section["step_seconds"]) == ("anomaly", 0.25, 0.125)
    assert (found.count, found.shape) == (120, (6, 32, 1))


def test_recordings_become_windows_of_their_channels(root: Path, readings: Make) -> None:
    readings()
    found = look(root, "runs", None, None)
    section = found.sections["sensors"]
    assert (section["rate"], section["window"], section["hop"], list(section["channels"])) == (
        50,
        128,
        64,
        ["x", "y"],
    )
    assert (found.shape, found.count) == ((128, 1, 2), 30)


def test_one_table_of_readings_says_by_a_column_what_they_are(root: Path) -> None:
    rows = [f"{row / 10},{row},{'on' if row > 100 else 'off'},{row // 20}" for row in range(200)]
    (root / "log.csv").write_text("time,current,label,recording\n" + "\n".join(rows) + "\n")
    found = look(root, "log.csv", None, None)
    assert (found.source, found.folder, found.classes) == ("sensors", "log.csv", ("off", "on"))
    assert found.sections["sensors"]["recording"] == "recording"


@pytest.mark.parametrize(
    ("columns", "rows", "task", "label"),
    [
        ("path,label", ["{0}.png,a", "{1}.png,b"], "classification", "label"),
        ("path,label", ["{0}.png,a|b", "{1}.png,b"], "multilabel", "label"),
        ("file,sunny,wet", ["{0}.png,1,0", "{1}.png,1,1"], "multilabel", "sunny,wet"),
        ("image,age", ["{0}.png,10.5", "{1}.png,20"], "regression", "age"),
        ("image,age,height,split", ["{0}.png,10,2,test", "{1}.png,20,3,train"], "regression", "age,height"),
    ],
)
def test_a_table_of_images_tells_its_task(
    root: Path, columns: str, rows: list[str], task: str, label: str
) -> None:
    (root / "set").mkdir()
    for name in range(2):
        Image.new("L", (8, 8)).save(root / f"set/{name}.png")
    (root / "set/all.csv").write_text(columns + "\n" + "\n".join(row.format(0, 1) for row in rows) + "\n")
    for given in ("set", "set/all.csv"):
        found = look(root, given, None, None)
        assert (found.source, found.folder, found.task) == ("manifest", "set", task)
        assert found.sections["manifest"]["label"] == label
        assert set(found.targets) == (set(label.split(",")) if task == "regression" else set())


@pytest.mark.parametrize(
    ("labels", "task"),
    [(np.zeros(9, np.int64), "classification"), (np.zeros((9, 2), np.int64), "multilabel")],
)
def test_an_archive_is_known_by_its_headers(root: Path, labels: np.ndarray, task: str) -> None:
    np.savez(root / "all.npz", images=np.zeros((9, 6, 5), np.uint8), labels=labels)
    found = look(root, "all.npz", None, None)
    assert (found.source, found.folder, found.count, found.shape) == ("npz", "all.npz", 9, (6, 5, 1))
    assert found.task == task


def test_a_function_is_named_and_its_code_becomes_an_input(root: Path) -> None:
    (root / "own.py").write_text("import helper\n\ndef load(folder): ...\n")
    (root / "helper.py").write_text("import numpy\n")
    found = look(root, "own:load", None, None)
    assert (found.source, found.sections) == ("function", {"function": "own:load"})
    assert found.inputs == ("helper.py", "own.py")


@pytest.mark.parametrize(
    ("files", "given", "message"),
    [
        ({}, "photos", r"--data photos: there is no such file or folder; what edgebuild reads is a folder"),
        (
            {"photos/a.txt": ""},
            "photos",
            r"is of no kind that edgebuild reads \(it holds: 1 \.txt\); it reads a fold",
        ),
        ({"photos/readme": ""}, "photos", r"it holds: 1 no ending"),
        (
            {"photos/cat/1.png": "x", "photos/cat/2.png": "x"},
            "photos",
            r"one class folder, cat, .*--task anomaly",
        ),
        ({"photos/1.png": "x"}, "photos", r"1 \.png files lie there without a folder per class"),
        (
            {"photos/a/1.png": "x", "photos/b/1.png": ""},
            "photos",
            r"none of 2 files that end like images.*photos/a/1",
        ),
        (
            {"words/a/1.wav": "x", "words/b/1.wav": "y"},
            "words",
            r"none of the WAV files .* can be read: .*no WAV file",
        ),
        ({"a.npz": "x"}, "a.npz", r"--data a\.npz cannot be read as \.npz: File is not a zip file"),
        ({"a.csv": "path,label\n1.png,a\n"}, "a.csv", r"the table lies beside dvc\.yaml"),
        (
            {"s/a.csv": "x,label\n1,a\n"},
            "s/a.csv",
            r"no column names image files; it has x, label; call it path",
        ),
        (
            {"s/a.csv": "path,note\n1.png,a\n"},
            "s/a.csv",
            r"no column holds labels .* it has path, note; call it label",
        ),
        (
            {"s/a.csv": "path,label\n1.png,a\n2.png,a\n"},
            "s/a.csv",
            r"column label has one class, 'a'; two are required",
        ),
        ({"s/a.csv": ""}, "s/a.csv", r"a\.csv cannot be read as a table: it has no rows"),
        (
            {"s/a.csv": "time,x\n1,2\n"},
            "s/a.csv",
            r"the readings have no column that says what they are; .*call it label",
        ),
        (
            {"runs/a/1.csv": "time,n\n1,b\n", "runs/b/1.csv": "time,n\n"},
            "runs",
            r"1\.csv has no column of numbers",
        ),
        ({"s.parquet": "x"}, "s.parquet", r"s\.parquet cannot be read as a table"),
        ({"s/1.tfrecord": "x"}, "s", r"1\.tfrecord cannot be read"),
        ({}, "own:load", r"there is no own\.py here; write it"),
    ],
)
def test_what_is_no_data_is_refused_with_the_reason(
    root: Path, files: dict[str, str], given: str, message: str
) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        look(root, given, None, None)


def test_an_archive_without_the_two_arrays_is_refused(root: Path) -> None:
    np.savez(root / "a.npz", x=np.zeros(3))
    with pytest.raises(UsageError, match="it has the arrays x; images and labels are required"):
        look(root, "a.npz", None, None)
    np.savez(root / "a.npz", images=np.zeros((3, 4)), labels=np.zeros(3))
    with pytest.raises(
        UsageError, match=r"images has the shape \(3, 4\); \(n, height, width\[, channels\]\)"
    ):
        look(root, "a.npz", None, None)
