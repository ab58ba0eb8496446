"""From the command line to a plan: everything fits together before anything is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from edgebuild.errors import UsageError
from edgebuild.init.begin import Wishes, prepare
from tests.init.conftest import Make
from tests.init.test_network import keras_file


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def params(text: str) -> dict[str, dict[str, object]]:
    return YAML(typ="safe", pure=True).load(text)  # type: ignore[no-any-return]


def test_data_and_teacher_fill_in_params_and_deps(root: Path, images: Make) -> None:
    images()
    keras_file(root / "net.keras", {"batch_shape": [None, 24, 24, 3]}, {"units": 2})
    plan = prepare(root, Wishes(data="photos/", teacher="net.keras", targets="litert"))
    found = params(plan.files["params.yaml"])
    assert found["teacher"]["file"] == "net.keras"
    assert found["data"]["image"] == {"height": 24, "width": 24, "channels": 3, "fit": "crop"}
    assert 'deps: ["${data.folder}", stages/prepare.py' in plan.files["dvc.yaml"]
    assert 'deps: ["${teacher.file}", data/train.npz' in plan.files["dvc.yaml"]


def test_paths_are_relative_to_the_build_within_a_repository_and_absolute_outside(
    root: Path, images: Make
) -> None:
    images("photos")
    git(root, "init", "--quiet")
    (root / "edge").mkdir()
    below = prepare(root / "edge", Wishes(data="../photos"))
    assert params(below.files["params.yaml"])["data"]["folder"] == "../photos"
    assert '"${data.folder}"' in below.files["dvc.yaml"]
    other = root.parent / "other"
    other.mkdir()
    outside = prepare(other, Wishes(data=str(root / "photos")))
    assert params(outside.files["params.yaml"])["data"]["folder"] == str(root / "photos")
    assert '"${data.folder}"' not in outside.files["dvc.yaml"]
    assert any("outside of this repository" in row.why for row in outside.choices)


def test_a_teacher_for_other_classes_is_refused(root: Path, images: Make) -> None:
    images()
    keras_file(root / "net.keras", {"batch_shape": [None, 24, 24, 3]}, {"units": 10})
    with pytest.raises(UsageError, match=r"gives 10 values, but --data photos has 2 classes \(cat, dog\)"):
        prepare(root, Wishes(data="photos", teacher="net.keras"))


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(targets="tflite"), r"--targets: 'tflite' is not known; .*\(did you mean litert\?\)"),
        (Wishes(targets="onyx,coreml"), r"'onyx' is not known; .*\(did you mean onnx\?\)"),
        (Wishes(targets=","), r"--targets: nothing is named"),
        (Wishes(precisions="int4"), r"--precisions: 'int4' is not known; choose from fp32,fp16,w8,w4,int8"),
        (Wishes(example="digits", data="x"), r"--example brings its own data"),
        (Wishes(data="nowhere"), r"--data nowhere: there is no such file or folder"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(root: Path, wishes: Wishes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prepare(root, wishes)


@pytest.mark.parametrize("folder", ["data", "models", "."])
def test_data_where_the_build_writes_are_refused(root: Path, images: Make, folder: str) -> None:
    images("data" if folder == "." else folder)
    with pytest.raises(
        UsageError, match=r"the build writes to data/, models/.*move it .*begin in a folder below"
    ):
        prepare(root, Wishes(data=folder))


def test_whoever_keeps_the_data_is_found_out(root: Path, images: Make) -> None:
    images()

    def said() -> bool:
        plan = prepare(root, Wishes(data="photos"))
        return any("is kept neither by DVC nor by git" in row.value for row in plan.choices)

    git(root, "init", "--quiet")
    assert said()
    (root / "photos.dvc").touch()
    assert not said()
    (root / "photos.dvc").unlink()
    git(root, "add", "photos")
    assert not said()


@pytest.mark.parametrize(
    ("remote", "file"),
    [
        ("https://gitlab.example/a/b.git", ".gitlab-ci.yml"),
        ("git@github.com:a/b.git", ".github/workflows/edgebuild.yml"),
        ("", ".github/workflows/edgebuild.yml"),
    ],
)
def test_the_remote_tells_which_ci_there_is(root: Path, remote: str, file: str) -> None:
    git(root, "init", "--quiet")
    if remote:
        git(root, "remote", "add", "origin", remote)
    assert file in prepare(root, Wishes()).files
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text("mine")
    assert file not in prepare(root, Wishes()).files


def test_without_git_there_is_no_ci_unless_it_is_asked_for(root: Path) -> None:
    files = set(prepare(root, Wishes()).files)
    assert not files & {".gitlab-ci.yml", ".github/workflows/edgebuild.yml"}
    assert ".gitlab-ci.yml" in prepare(root, Wishes(ci="gitlab")).files


def test_every_example_is_accepted_as_it_stands(root: Path) -> None:
    assert "source: fashion_mnist" in prepare(root, Wishes(example="fashion_mnist")).files["params.yaml"]
    assert "source: digits" in prepare(root, Wishes(example="digits")).files["params.yaml"]
