"""Data of one's own through the stage itself, in its sandbox, as params.yaml and dvc.yaml name it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from edgebuild.build.environment.variables import PINNED
from edgebuild.cli import main
from edgebuild.data.split import Split
from tests.sources.conftest import photo

REPOSITORY = Path(__file__).parents[1]
IMAGE = {"height": 6, "width": 6, "channels": 3, "fit": "crop"}
SIZES = {"validation": 4, "calibration": 4, "test": 8}

SHAPES = """
import numpy as np
from lines import draw

def load(folder):
    return {"images": (draw(number) for number in range(40)), "labels": np.arange(40) % 2, "classes": ["even", "odd"]}
"""
LINES = """
import numpy as np

def draw(number):
    return np.full((3, 3, 1), number, np.uint8)
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("dvc.yaml", "params.yaml", "stages", "requirements", "src"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for name, value in PINNED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("edgebuild.build.runner.ensure_running", lambda *args, **options: None)
    return tmp_path


def declare(root: Path, *deps: str, task: str = "classification", **changes: Any) -> None:
    """Name the data in params.yaml, and what it is read from in dvc.yaml."""
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text())
    params["data"] |= SIZES | changes
    params["quantize"]["samples"] = (SIZES | changes)["calibration"]
    params["task"]["kind"] = task
    if task == "anomaly":
        params["task"]["false_positive_rate"] = 0.1
    yaml.dump(params, root / "params.yaml")
    stages = yaml.load((root / "dvc.yaml").read_text())
    stages["stages"]["prepare"]["deps"] += deps
    yaml.dump(stages, root / "dvc.yaml")


def built(folder: Path) -> dict[str, Split]:
    assert main(["run", "prepare"]) == 0
    return {name: Split.read(folder / f"data/{name}.npz") for name in ("train", "test")}


def pictures(folder: Path, *names: str) -> None:
    for index, name in enumerate(names):
        for number in range(12):
            photo(folder / "photos" / name / f"{number}.png", seed=100 * index + number)


def test_pictures_in_folders(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(workspace, "cat", "dog")
    declare(workspace, "${data.folder}", source="image_folder", folder="photos", image=IMAGE)
    assert built(workspace)["train"].images.shape == (8, 6, 6, 3)
    assert "training images" not in capsys.readouterr().err
    card = json.loads((workspace / "metrics/data.json").read_text())
    assert card["classes"] == ["cat", "dog"]


def test_normal_and_other_pictures_for_anomaly_detection(workspace: Path) -> None:
    pictures(workspace, "normal", "scratched", "bent")
    (workspace / "photos/bent/0.png").unlink()
    declare(
        workspace, "${data.folder}", source="image_folder", folder="photos", image=IMAGE, task="anomaly",
        validation=2, calibration=2,
    )  # fmt: skip
    splits = built(workspace)
    assert splits["test"].labels.tolist().count(1) == 4
    assert not splits["train"].labels.any()


def test_a_table_in_parquet(workspace: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    pictures(workspace, "a", "b")
    paths = [f"{name}/{number}.png" for name in "ab" for number in range(12)]
    parquet.write_table(
        pyarrow.table({"file": paths, "colours": [["red"], ["red", "blue"]] * 12}),
        workspace / "photos/t.parquet",
    )
    manifest = {"file": "t.parquet", "path": "file", "label": "colours", "split": "", "group": ""}
    declare(
        workspace, "${data.folder}", source="manifest", folder="photos", image=IMAGE, manifest=manifest,
        task="multilabel",
    )  # fmt: skip
    splits = built(workspace)
    assert splits["train"].classes == ("blue", "red")
    assert splits["test"].labels.sum(axis=0).tolist() == [4, 8]


def test_arrays(workspace: Path) -> None:
    np.savez(workspace / "pets.npz", images=np.zeros((40, 4, 4), np.uint8), labels=np.arange(40) % 2)
    declare(workspace, "${data.folder}", source="npz", folder="pets.npz")
    assert len(built(workspace)["train"]) == 24


def test_test_images_that_are_training_images_are_told(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(workspace / "pets.npz", images=np.zeros((40, 4, 4), np.uint8), labels=np.arange(40) % 2)
    declare(workspace, "${data.folder}", source="npz", folder="pets.npz")
    built(workspace)
    assert "8 test images are training images, too" in capsys.readouterr().err


def test_a_function_of_ones_own(workspace: Path) -> None:
    (workspace / "shapes.py").write_text(SHAPES)
    (workspace / "lines.py").write_text(LINES)
    declare(workspace, "shapes.py", "lines.py", source="function", function="shapes:load")
    splits = built(workspace)
    assert splits["train"].classes == ("even", "odd")
    assert (splits["train"].images[:, 0, 0, 0] % 2 == splits["train"].labels).all()


def test_what_the_function_imports_has_to_be_declared(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "shapes.py").write_text(SHAPES)
    (workspace / "lines.py").write_text(LINES)
    declare(workspace, "shapes.py", source="function", function="shapes:load")
    assert main(["run", "prepare"]) == 2
    assert "add `- lines.py` to its deps in dvc.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("relative", ["photos", "./photos/"])
def test_a_folder_that_is_not_declared_is_refused_before_anything_runs(
    workspace: Path, capsys: pytest.CaptureFixture[str], relative: str
) -> None:
    pictures(workspace, "cat", "dog")
    declare(workspace, source="image_folder", folder=relative, image=IMAGE)
    assert main(["run", "prepare"]) == 2
    assert "${data.folder}" in capsys.readouterr().err
    assert not (workspace / "data").exists()


def test_bad_pictures_are_told_at_once_and_nothing_changes(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(workspace, "cat", "dog")
    for number in range(3):
        (workspace / f"photos/cat/{number}.png").write_bytes(b"")
    declare(workspace, "${data.folder}", source="image_folder", folder="photos", image=IMAGE)
    assert main(["run", "prepare"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("edgebuild: data.folder: photos: 3 faults; repair or remove what is listed\n")
    assert "  cat/2.png: empty file" in said
    assert not (workspace / "data").exists()
