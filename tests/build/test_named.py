"""Files, folders and functions that params.yaml names are found missing among the deps, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build import named
from edgebuild.build.closure import compare
from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.fix import fix
from edgebuild.errors import DeclarationError

DVC_YAML = """\
stages:
  prepare: # comment
    cmd: edgebuild run prepare
    params: [data]
    deps: [stages/prepare.py]
    outs: [data/train.npz]
  train_teacher:
    cmd: edgebuild run train_teacher
    params: [teacher, seed]
    deps: [data/train.npz, stages/train_teacher.py]
    outs: [model]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "stages").mkdir()
    for name in ("prepare", "train_teacher"):
        (tmp_path / f"stages/{name}.py").write_text("def main(stage): ...\n")
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "params.yaml").write_text(
        "seed: 1\ndata: {folder: photos, source: image_folder}\nteacher: {file: ''}\n"
    )
    return tmp_path


def check(root: Path) -> None:
    named.check(declarations(root).values(), named.values_of(root))


def test_a_folder_that_is_no_dep_is_told_with_the_line_and_fixed(root: Path) -> None:
    with pytest.raises(
        DeclarationError, match=r'prepare reads data\.folder, which is photos.*`"\$\{data\.folder\}"`'
    ):
        check(root)
    fix(root)
    assert '    deps: [stages/prepare.py, "${data.folder}"]\n' in (root / "dvc.yaml").read_text()
    check(root)
    assert compare(root) == []


def test_all_that_is_missing_is_told_at_once(root: Path) -> None:
    (root / "params.yaml").write_text("seed: 1\ndata: {folder: photos}\nteacher: {file: net.onnx}\n")
    with pytest.raises(DeclarationError, match=r"(?s)data\.folder.*\n.*teacher\.file"):
        check(root)


@pytest.mark.parametrize("folder", ["", "/srv/photos", "~/photos"])
def test_nothing_named_and_places_elsewhere_need_no_dep(root: Path, folder: str) -> None:
    (root / "params.yaml").write_text(f"seed: 1\ndata: {{folder: '{folder}'}}\nteacher: {{file: ''}}\n")
    check(root)


def test_a_dep_of_a_knob_that_names_nothing_is_told(root: Path) -> None:
    fix(root)
    (root / "params.yaml").write_text("seed: 1\ndata: {folder: ''}\nteacher: {file: ''}\n")
    with pytest.raises(
        DeclarationError, match=r"prepare\.deps has \$\{data\.folder\}, which names nothing; remove"
    ):
        check(root)


def test_a_folder_within_a_dep_needs_no_line() -> None:
    stage = Declaration("prepare", "", ("sets/photos",), ("data",), ())
    assert named.undeclared(stage, {"data": {"folder": "sets/photos/small/"}}) == []
    assert named.undeclared(stage, {"data": {"folder": "sets/photosx"}}) == ["${data.folder}"]


def test_a_function_with_all_that_it_imports_belongs_to_the_code_of_its_stage(root: Path) -> None:
    (root / "params.yaml").write_text(
        "seed: 1\ndata: {folder: '', function: 'own:load'}\nteacher: {file: ''}\n"
    )
    (root / "own.py").write_text("import helper\n")
    (root / "helper.py").write_text("x = 1\n")
    (found,) = compare(root)
    assert (found.stage, found.missing) == ("prepare", ("helper.py", "own.py"))
    fix(root)
    assert compare(root) == []
