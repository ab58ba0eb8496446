"""Recordings of sensors: folders of classes, tables with a column for it, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.params.sensors import Channel, Sensors
from edgebuild.sources.registry import load
from edgebuild.sources.source import Source
from tests.sources.conftest import data

SENSORS = Sensors(
    rate=10.0, window=8, hop=4, channels={"x": Channel(-1.0, 1.0), "y": Channel(0.0, 10.0)}, time="t", label="",
    recording="", group="", gaps="refuse",
)  # fmt: skip
MEASURED = {"x": Channel(), "y": Channel()}


def read(folder: Path, task: str = "classification", sizes: int = 8, **changes: Any) -> Source:
    params = data(source="sensors", folder=str(folder), sensors=replace(SENSORS, **changes))
    return load(replace(params, validation=sizes, calibration=sizes, test=sizes), task)


def table(path: Path, rows: int = 20, scale: float = 1.0, extra: dict[str, list[Any]] | None = None) -> Path:
    """``t`` at 10 Hz, ``x`` a sine of amplitude ``scale``, ``y`` the row's number modulo 10, and other columns."""
    columns: dict[str, Any] = {"t": [f"{k / 10:.1f}" for k in range(rows)]}
    columns["x"] = [f"{scale * np.sin(k):.6f}" for k in range(rows)]
    columns["y"] = [k % 10 for k in range(rows)]
    columns |= extra or {}
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def change(path: Path, row: int, line: str) -> None:
    lines = path.read_text().splitlines()
    lines[row] = line
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five recordings of each of two states, four windows each."""
    for state, scale in (("calm", 0.1), ("wild", 1.0)):
        for number in range(5):
            table(tmp_path / state / f"{number}.csv", scale=scale * (1 - number / 10))
    return tmp_path


def test_recordings_become_windows_with_time_as_height(folder: Path) -> None:
    found = read(folder)
    assert (found.classes, found.images.shape) == (("calm", "wild"), (40, 8, 1, 2))
    assert found.labels.tolist() == [0] * 20 + [1] * 20
    second = found.images[np.array([21])][0, :, 0]
    np.testing.assert_array_equal(second[:, 0], np.rint(255 * (np.sin(np.arange(4, 12)) + 1) / 2))
    np.testing.assert_array_equal(second[:, 1], np.rint(25.5 * (np.arange(4, 12) % 10)))


def test_a_recording_is_a_group(folder: Path) -> None:
    groups = read(folder).groups
    assert groups is not None
    assert groups.tolist() == np.repeat(np.arange(10), 4).tolist()


def test_groups_may_span_recordings_by_name(folder: Path) -> None:
    for state in ("calm", "wild"):
        for number in range(5):
            (folder / state / f"{number}.csv").rename(folder / state / f"m{number}_{state}.csv")
    groups = read(folder, group=r"^m(\d)").groups
    assert groups is not None
    assert groups.tolist() == np.repeat([0, 1, 2, 3, 4] * 2, 4).tolist()


def test_bounds_are_measured_on_the_training_split_alone(folder: Path) -> None:
    for split in ("train", "test"):
        for state in ("calm", "wild"):
            for number in range(4):
                table(folder / split / state / f"{number}.csv", scale=3.0 if split == "test" else 0.5)
    for state in ("calm", "wild"):
        for path in (folder / state).iterdir():
            path.unlink()
        (folder / state).rmdir()
    found = read(folder, channels=MEASURED)
    assert found.features is not None
    x = found.features["channels"]["x"]
    assert x["bounds"] == "measured in the training split"
    assert max(-x["low"], x["high"]) == pytest.approx(0.5, abs=0.01)
    assert x["beyond"] > 0.2  # of the test recordings, which are louder
    assert found.features["channels"]["y"]["beyond"] == 0


def test_stated_bounds_are_told_as_such(folder: Path) -> None:
    features = read(folder).features
    assert features is not None
    assert features["channels"]["x"] == {"low": -1.0, "high": 1.0, "bounds": "stated", "beyond": 0.0}


def test_one_long_table_is_cut_where_recording_or_label_change(tmp_path: Path) -> None:
    label = (["a"] * 12 + ["b"] * 8) * 5 + ["a"] * 4 + ["b"] * 16
    path = table(
        tmp_path / "log.csv",
        120,
        extra={"who": [k // 20 for k in range(120)], "what": label, "note": ["-"] * 120},
    )
    found = read(path, label="what", recording="who", sizes=1)
    assert found.classes == ("a", "b")
    # 12 rows hold two windows, 8 rows one, 16 rows three, and four rows none.
    assert found.labels.tolist() == [0, 0, 1] * 5 + [1] * 3
    assert found.groups is not None
    assert found.groups.tolist() == np.repeat(np.arange(6), 3).tolist()


def test_targets_of_a_regression_are_means_over_the_window(tmp_path: Path) -> None:
    for number in range(6):
        table(tmp_path / f"{number}.csv", extra={"speed": list(range(20)), "load": [number] * 20})
    found = read(tmp_path, "regression", label="speed, load", sizes=4)
    assert (found.classes, found.labels.dtype) == (("speed", "load"), np.float32)
    np.testing.assert_allclose(found.labels[4:8], [[3.5, 1], [7.5, 1], [11.5, 1], [15.5, 1]])


def test_anomaly_detection_measures_bounds_on_normal_recordings(folder: Path) -> None:
    (folder / "calm").rename(folder / "normal")
    found = read(folder, "anomaly", channels=MEASURED, sizes=4)
    assert found.classes == ("normal", "anomaly")
    assert found.features is not None
    assert found.features["channels"]["x"]["high"] <= 0.1


def test_gaps_may_split_a_recording(folder: Path) -> None:
    path = folder / "calm" / "0.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:9], *lines[11:]]) + "\n")
    assert len(read(folder, gaps="split").labels) == 38
    with pytest.raises(
        DataError, match=r"rows are missing after row 8, where t goes from 0\.7 to 1;.*gaps: split"
    ):
        read(folder)


def test_without_a_column_of_time_rows_come_at_the_rate(folder: Path) -> None:
    assert len(read(folder, time="", rate=123.0).labels) == 40


def test_tables_of_a_spreadsheet_are_read(folder: Path) -> None:
    text = (folder / "calm/0.csv").read_text().replace("t,x,y", 't,"x"," y "').replace("\n", "\r\n")
    (folder / "calm/0.csv").write_text("\ufeff" + text + "\r\n\r\n", newline="")
    assert len(read(folder).labels) == 40


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    change(folder / "calm/0.csv", 5, "0.4,,4")
    change(folder / "calm/1.csv", 5, "0.4,nan,inf")
    change(folder / "calm/2.csv", 5, "0.2,0,0")
    change(folder / "calm/3.csv", 0, "t,x,z")
    (folder / "calm/4.csv").write_text("")
    (folder / "wild/0.csv").write_text("t,x,y\n")
    table(folder / "wild/1.csv", 7)
    change(folder / "wild/2.csv", 0, "t;x;y")
    (folder / "wild/2.csv").write_text((folder / "wild/2.csv").read_text().replace(",", ";"))
    (folder / "wild/3.txt").write_text("?")
    (folder / "wild/4.csv").write_bytes(b"\xff\xfe\0\1\n")
    with pytest.raises(DataError) as caught:
        read(folder)
    message = str(caught.value)
    assert ": 12 faults; repair or remove what is listed" in message
    for line in (
        "calm/0.csv: x is '' in row 5, but must be a number",
        "calm/1.csv: x is nan in row 5; fill or remove it",
        "calm/1.csv: y is inf in row 5; fill or remove it",
        "calm/2.csv: t must rise from row to row, but is 0.3 in row 4 and 0.2 in the next",
        "calm/2.csv: rows are missing after row 5, where t goes from 0.2 to 0.5",
        "calm/3.csv: no column y; its columns are t, x, z",
        "calm/4.csv: empty file",
        "wild/0.csv: it has a heading, but no rows",
        "wild/1.csv: too short: a window has 8 rows, but no piece of it more than 7",
        "wild/2.csv: columns are separated by ';', but must be by commas",
        "wild/3.txt: its name does not end in .csv",
        "wild/4.csv: no CSV file:",
    ):
        assert line in message


def test_another_rate_than_the_one_stated_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"10 rows per second by t, but data.sensors.rate is 12;"):
        read(folder, rate=12.0)


def test_a_clock_of_whole_milliseconds_is_good_enough(folder: Path) -> None:
    for path in folder.rglob("*.csv"):
        lines = path.read_text().splitlines()[1:]
        times = [f"{round(k / 0.4) / 1000}" for k in range(len(lines))]  # 400 Hz: steps of 2 and 3 ms
        rows = [f"{time},{line.partition(',')[2]}" for time, line in zip(times, lines, strict=True)]
        path.write_text("\n".join(["t,x,y", *rows]) + "\n")
    assert len(read(folder, rate=400.0).labels) == 40


def test_rows_that_are_too_short_are_refused(folder: Path) -> None:
    change(folder / "calm/0.csv", 3, "0.2,0.1")
    with pytest.raises(DataError, match="y is 'missing' in row 3, but must be a number"):
        read(folder)


def test_an_empty_label_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "log.csv", extra={"what": ["a"] * 10 + [""] * 10})
    with pytest.raises(DataError, match=r"what is empty in row 11 \(10 such rows\)"):
        read(path, label="what")


def test_a_channel_that_never_changes_is_refused(folder: Path) -> None:
    for path in folder.rglob("*.csv"):
        lines = [line.rpartition(",")[0] + ",7" for line in path.read_text().splitlines()[1:]]
        path.write_text("t,x,y\n" + "\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"data.sensors.channels.y: it must change .* but is always 7"):
        read(folder, channels=MEASURED)


@pytest.mark.parametrize(
    ("task", "label", "message"),
    [
        ("regression", "", "name the columns of the targets"),
        ("multilabel", "", "choose classification, regression or anomaly"),
        ("classification", "x2", "no column x2; its columns are t, x, y"),
    ],
)
def test_labels_that_do_not_suit_the_task_are_refused(
    folder: Path, task: str, label: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(folder, task, label=label)


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.csv file"):
        read(tmp_path, label="what")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"channels": {"x": Channel(1.0, None)}}, "channels.x: state low and high, or neither"),
        ({"channels": {"x": Channel(1.0, 1.0)}}, "channels.x: low, 1, must be below high, 1"),
        ({"channels": {f"c{k}": Channel() for k in range(65)}}, "at most 64 are allowed, but there are 65"),
        ({"label": "x"}, "column x is named twice"),
        ({"recording": "t"}, "column t is named twice"),
        ({"group": "abc"}, "has no group in parentheses"),
    ],
)
def test_knobs_that_cannot_be_meant_are_refused(changes: dict[str, Any], problem: str) -> None:
    assert not SENSORS.problems()
    assert any(problem in line for line in replace(SENSORS, **changes).problems())
