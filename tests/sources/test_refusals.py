"""Data that cannot be used, each kind with its message: the table of docs/data.md is made of these.

``python -m tests.sources.test_refusals`` writes that table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from edgebuild.errors import UsageError
from edgebuild.params.data import Data, Image, Manifest
from edgebuild.params.task import Task
from edgebuild.sources.prepare import prepare
from edgebuild.sources.registry import load
from edgebuild.strict import build
from tests.documented import row, rows_of, table, workspace, written
from tests.sources.conftest import data, photo

DOCUMENT = Path(__file__).parents[2] / "docs/data.md"

IMAGE = Image(height=4, width=4, channels=3, fit="crop")
TABLE = Manifest(file="labels.csv", path="path", label="label", split="split", group="person")
PHOTOS: Mapping[str, Any] = {"source": "image_folder", "folder": "photos", "image": IMAGE}
LISTED: Mapping[str, Any] = {"source": "manifest", "folder": "photos", "image": IMAGE, "manifest": TABLE}
ARRAYS: Mapping[str, Any] = {"source": "npz", "folder": "pets.npz"}
CODES = np.arange(12 * 4, dtype=np.uint8).reshape(12, 2, 2, 1)


def pictures(classes: str = "cat dog", count: int = 4) -> None:
    for name in classes.split():
        for number in range(count):
            photo(Path(f"photos/{name}/{number}.png"), size=(4, 4), seed=number)


def bad_files() -> None:
    pictures()
    whole = Path("photos/cat/0.png").read_bytes()
    Path("photos/cat/0.png").write_bytes(b"")
    Path("photos/cat/1.png").write_bytes(whole[:60])
    Path("photos/cat/2.png").write_bytes(b"GIF89a" + bytes(20))
    Path("photos/cat/3.png").write_text("an error page, saved as a picture")
    Path("photos/dog/notes.rtf").write_text("hello")
    Path("photos/bird").mkdir()
    photo(Path("photos/lost.png"))


def listed(*rows: str, header: str = "path,label,split,person") -> Callable[[], None]:
    def write() -> None:
        pictures("cat", 8)
        Path("photos/labels.csv").write_text("\n".join([header, *rows]) + "\n")

    return write


def people(*rows: str) -> Callable[[], None]:
    return listed(*(f"cat/{number}.png,{row}" for number, row in enumerate(rows)))


def arrays(**changes: Any) -> Callable[[], None]:
    def write() -> None:
        given = {"images": CODES, "labels": np.arange(12) % 2} | changes
        np.savez("pets.npz", **{name: array for name, array in given.items() if array is not None})

    return write


def code(text: str) -> Callable[[], None]:
    return lambda: (
        Path("shapes.py").write_text(f"import numpy as np\n\ndef load(folder):\n    {text}\n") and None
    )


def damaged() -> None:
    arrays()()
    Path("pets.npz").write_bytes(Path("pets.npz").read_bytes()[:300])


def function(name: str) -> Mapping[str, Any]:
    return {"source": "function", "function": name}


def nothing() -> None: ...


Case = tuple[Callable[[], object], Mapping[str, Any], str]
CASES: Mapping[str, Case] = {
    "no such folder": (nothing, PHOTOS, "classification"),
    "a file where a folder should be": (lambda: Path("photos").write_text(""), PHOTOS, "classification"),
    "a folder without folders": (lambda: Path("photos").mkdir(), PHOTOS, "classification"),
    "pictures of one class": (lambda: pictures("cat"), PHOTOS, "classification"),
    "files of seven bad kinds": (bad_files, PHOTOS, "classification"),
    "classes beside train and test": (lambda: pictures("train/a train/b test/a test/b cat"), PHOTOS, "classification"),
    "a class with too few pictures": (lambda: (pictures(), pictures("bird", 2)), PHOTOS, "classification"),
    "more to test on than there is": (pictures, {**PHOTOS, "test": 100}, "classification"),
    "nothing left to train on": (pictures, {**PHOTOS, "validation": 4, "calibration": 3}, "classification"),
    "no class called normal": (pictures, PHOTOS, "anomaly"),
    "classes for a regression": (pictures, PHOTOS, "regression"),
    "no such table": (pictures, LISTED, "classification"),
    "a table of another kind": (
        pictures,
        {**LISTED, "manifest": Manifest("labels.xlsx", "path", "label", "", "")},
        "classification",
    ),
    "no such column": (listed("cat/0.png,a,,", header="path,lable,split,person"), LISTED, "classification"),
    "lines of six bad kinds": (
        listed(
            "cat/0.png,a,,ann", "cat/0.png,a,,ann", "cat/one.png,b,,ann", "cat/1.png,,,bob",
            "cat/2.png,b,dev,bob", "cat/3.png,b,,eve,more", ",b,,eve",
        ),
        LISTED,
        "classification",
    ),
    "a target that is no number": (people("1.5,,ann", "warm,,bob", "nan,,eve"), LISTED, "regression"),
    "a label that is neither 0 nor 1": (
        listed("cat/0.png,1,yes", "cat/1.png,0,1", header="path,red,round"),
        {**LISTED, "manifest": Manifest("labels.csv", "path", "red,round", "", "")},
        "multilabel",
    ),
    "a group in two splits": (people("a,test,ann", "b,train,ann", "a,,bob", "b,,bob"), LISTED, "classification"),
    "too few groups": (people(*["a,,ann", "b,,ann", "a,,bob", "b,,bob"] * 2), LISTED, "classification"),
    "no such file": (nothing, ARRAYS, "classification"),
    "a damaged file": (damaged, ARRAYS, "classification"),
    "an array of another name": (arrays(labels=None, y=np.arange(12)), ARRAYS, "classification"),
    "no labels": (arrays(labels=None), ARRAYS, "classification"),
    "fewer labels than images": (arrays(labels=np.arange(11) % 2), ARRAYS, "classification"),
    "a label beyond the classes": (
        arrays(classes=["cat", "dog"], labels=np.arange(12) % 3), ARRAYS, "classification"
    ),
    "floats beyond 1": (arrays(images=CODES / 10), ARRAYS, "classification"),
    "not a number": (arrays(images=np.where(CODES == 5, np.nan, 0.5)), ARRAYS, "classification"),
    "images without height": (arrays(images=CODES.reshape(12, 4)), ARRAYS, "classification"),
    "all of one class": (arrays(labels=np.zeros(12, int), classes=["cat", "dog"]), ARRAYS, "classification"),
    "only normal examples": (arrays(labels=np.zeros(12, int), classes=["normal", "odd"]), ARRAYS, "anomaly"),
    "no function's name": (nothing, function("shapes.py"), "classification"),
    "no such module": (nothing, function("shapes:load"), "classification"),
    "no such function": (code("return None"), function("shapes:laod"), "classification"),
    "a module that fails": (
        lambda: Path("shapes.py").write_text("import nompy\n"), function("shapes:load"), "classification"
    ),
    "a function that returns something else": (code("return [1, 2]"), function("shapes:load"), "classification"),
    "an iterator over two shapes": (
        code("return {'images': iter([np.zeros((2, 2, 1)), np.zeros((2, 3, 1))]), 'labels': [0, 1]}"),
        function("shapes:load"),
        "classification",
    ),
}  # fmt: skip

#: What params.yaml itself is refused for, before anything is read.
PARAMS: Mapping[str, Mapping[str, Any]] = {
    "a section is missing": {"source": "image_folder", "folder": "photos"},
    "a section that is not used": {"image": IMAGE},
    "no folder is named": {"source": "npz"},
    "a download that there is not": {**ARRAYS, "download": True},
    "nothing to calibrate on": {"calibration": 0},
}


def message(case: str, folder: Path) -> str:
    make, params, task = CASES[case]
    with workspace(folder, "shapes"):
        make()
        section = data(**params)
        assert section.problems() == []
        with pytest.raises(UsageError) as refused:
            prepare(load(section, task), task=task, **sizes(section))
    return str(refused.value)


def sizes(section: Data) -> dict[str, int]:
    return {name: getattr(section, name) for name in ("validation", "calibration", "test", "seed")}


@pytest.fixture(scope="module")
def documented() -> str:
    return rows_of(DOCUMENT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_what_is_refused_is_documented_with_its_message(case: str, tmp_path: Path, documented: str) -> None:
    assert row(case, message(case, tmp_path)) in documented


@pytest.mark.parametrize("number", range(DOCUMENT.read_text(encoding="utf-8").count("```yaml")))
def test_every_documented_section_is_allowed(number: int) -> None:
    block = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[number + 1].partition("```")[0]
    section = YAML(typ="safe").load(block)
    found, problems = build(Data, section["data"])
    assert problems == []
    assert found is not None
    assert found.problems() == []
    if "task" in section:
        task, problems = build(Task, section["task"])
        assert problems == []
        assert task is not None
        assert task.problems() == []


def test_the_documented_function_gives_what_it_says(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1].partition("```")[0]
    with workspace(tmp_path, "shapes"):
        Path("shapes.py").write_text(text)
        found = load(data(**function("shapes:load")), "classification")
    assert found.images.shape == (1000, 16, 16, 1)
    assert found.classes == ("small", "large")


@pytest.mark.parametrize("case", PARAMS)
def test_so_is_what_params_cannot_mean(case: str, documented: str) -> None:
    (problem,) = data(**PARAMS[case]).problems()
    assert row(case, problem) in documented


def test_nothing_else_is_documented(documented: str) -> None:
    assert documented.count("\n") == len(CASES) + len(PARAMS) + 2


def made() -> str:
    """The table of docs/data.md."""
    rows = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(case, message(case, Path(folder))))
    rows += [row(case, data(**params).problems()[0]) for case, params in PARAMS.items()]
    return table(rows)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8"), made()), encoding="utf-8")
