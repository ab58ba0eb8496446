"""Pictures that a table lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.params.data import Image, Manifest
from edgebuild.sources.registry import load
from edgebuild.sources.source import Source
from tests.sources.conftest import data, photo

IMAGE = Image(height=4, width=4, channels=3, fit="stretch")


def read(folder: Path, task: str = "classification", file: str = "labels.csv", **columns: str) -> Source:
    manifest = Manifest(
        **({"file": file, "path": "path", "label": "label", "split": "", "group": ""} | columns)
    )
    return load(data(source="manifest", folder=str(folder), image=IMAGE, manifest=manifest), task)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        photo(tmp_path / f"pictures/{number}.png", seed=number)
    return tmp_path


def write(
    folder: Path, header: str, row: Callable[[int], str], count: int = 12, name: str = "labels.csv"
) -> Path:
    lines = [header, *(f"pictures/{number}.png,{row(number)}" for number in range(count))]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def test_each_line_is_a_picture_with_its_class(folder: Path) -> None:
    write(folder, "path,label", lambda i: "dog" if i % 3 else "cat")
    found = read(folder)
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0, 1, 1] * 4
    assert found.images.shape == (12, 4, 4, 3)


def test_classes_that_are_numbers_are_in_the_order_of_their_values(folder: Path) -> None:
    write(folder, "path,label", lambda i: str([9, 10, 2][i % 3]))
    assert read(folder).classes == ("2", "9", "10")


def test_splits_and_groups_are_columns(folder: Path) -> None:
    write(folder, "path,label,part,who", lambda i: f"{'ab'[i % 2]},{'test' if i > 8 else ''},{i // 3}")
    found = read(folder, split="part", group="who")
    assert found.split is not None
    assert found.split.tolist() == [""] * 9 + ["test"] * 3
    assert found.groups is not None
    assert found.groups.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3


def test_several_columns_are_labels_that_may_hold_together(folder: Path) -> None:
    write(folder, "path,red,round", lambda i: f"{i % 2},{int(i < 6)}")
    found = read(folder, "multilabel", label="red, round")
    assert found.classes == ("red", "round")
    assert found.labels.dtype == np.int64
    assert found.labels.tolist() == [[i % 2, int(i < 6)] for i in range(12)]


def test_so_are_lists_in_one_column(folder: Path) -> None:
    write(folder, "path,label", lambda i: ["red|round", "", "red", " round "][i % 4])
    assert read(folder, "multilabel").labels.tolist() == [[1, 1], [0, 0], [1, 0], [0, 1]] * 3


def test_numbers_are_targets_of_a_regression(folder: Path) -> None:
    write(folder, "path,x,y", lambda i: f"{i / 4},-1e3")
    found = read(folder, "regression", label="x,y")
    assert found.classes == ("x", "y")
    assert found.labels.dtype == np.float32
    assert found.labels[5].tolist() == [1.25, -1000.0]


def test_a_parquet_file_is_read_as_well(folder: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    paths = [f"pictures/{number}.png" for number in range(12)]
    table = pyarrow.table({"path": paths, "label": [["a", "b"], ["b"], []] * 4, "size": [1.5] * 12})
    parquet.write_table(table, folder / "labels.parquet")
    found = read(folder, "multilabel", file="labels.parquet")
    assert found.labels[:3].tolist() == [[1, 1], [0, 1], [0, 0]]
    assert read(folder, "regression", file="labels.parquet", label="size").labels.tolist() == [[1.5]] * 12


def test_a_table_saved_by_a_spreadsheet_is_read(folder: Path) -> None:
    path = write(folder, "path,label", lambda i: "ab"[i % 2])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(folder).classes == ("a", "b")


def test_everything_that_is_wrong_is_told_at_once_with_its_line(folder: Path) -> None:
    (folder / "pictures/3.png").write_bytes(b"")
    rows = ["a", "b", "", "a", "b,surplus", "a", "b", "a", "b", "a"]
    path = write(folder, "path,label", lambda i: rows[i], 10)
    with path.open("a") as file:
        file.write("pictures/0.png,a\nelsewhere.png,b\n,a\n")
    with pytest.raises(DataError) as refused:
        read(folder)
    lines = str(refused.value).splitlines()
    assert lines[0].endswith("labels.csv: 6 faults; repair or remove the listed lines")
    assert [line.strip() for line in sorted(lines[1:])] == [
        "line 12: pictures/0.png is listed in line 2 already",
        "line 13: elsewhere.png does not exist in the table's folder",
        "line 14: names no file",
        "line 4: label is empty; a label is required",
        "line 5, pictures/3.png: empty file",
        "line 6: 2 cells are required, but it has 3",
    ]


@pytest.mark.parametrize(
    ("task", "label", "row", "message"),
    [
        (
            "regression",
            "label",
            lambda i: "1.5" if i else "many",
            "line 2: label must be a finite .*, but is 'many'",
        ),
        ("regression", "label", lambda i: "nan", "12 faults"),
        ("multilabel", "label,label", lambda i: str(i), "line 4: label must be 0 or 1, but is '2'"),
        ("classification", "label", lambda i: "a", "at least two classes, but holds a"),
        ("classification", "label,path", lambda i: "a", "needs one column, but 'label,path' names 2"),
        (
            "classification",
            "lable",
            lambda i: "a",
            r"no column 'lable'; it has path, label \(did you mean label\?\)",
        ),
    ],
)
def test_labels_that_do_not_suit_the_task_are_refused(
    folder: Path, task: str, label: str, row: Callable[[int], str], message: str
) -> None:
    write(folder, "path,label", row)
    with pytest.raises(DataError, match=message):
        read(folder, task, label=label)


def test_an_unknown_split_is_refused_with_its_line(folder: Path) -> None:
    write(folder, "path,label,part", lambda i: f"{'ab'[i % 2]},{'dev' if i == 1 else 'train'}")
    with pytest.raises(DataError, match="line 3: the split is called train, .* or nothing, but here 'dev'"):
        read(folder, split="part")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.csv", b"", "is empty; its first line must name the columns"),
        ("labels.csv", b"path,label\n", "at least one row is required"),
        ("labels.csv", b"path,label,label\na,b,c\n", "label is there twice"),
        ("labels.csv", b"path,label\n\xff\xfe,b\n", "no table of UTF-8 text"),
        ("labels.csv", b'path,label\n"a,b\n', "no table of UTF-8 text"),
        ("labels.parquet", b"PAR1nonsense", "is no Parquet file"),
        ("labels.xlsx", b"PK", "a table ends in .csv, .tsv or .parquet, but this one in '.xlsx'"),
        ("other.csv", b"", "labels.csv does not exist; data.manifest.file must name a table"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path, file="labels.csv" if name == "other.csv" else name)


def test_a_table_may_lie_deeper_and_paths_are_relative_to_it(folder: Path) -> None:
    write(folder, "path,label", lambda i: "ab"[i % 2])
    (folder / "labels.csv").rename(folder / "pictures" / "labels.csv")
    text = (folder / "pictures/labels.csv").read_text().replace("pictures/", "")
    (folder / "pictures/labels.csv").write_text(text)
    assert len(read(folder, file="pictures/labels.csv").labels) == 12
