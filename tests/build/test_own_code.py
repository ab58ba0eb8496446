"""Code of the user's that params.yaml names is looked for before anything runs, and not imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.own_code import check
from edgebuild.errors import UsageError

NETS = """
raise SystemExit("imported")
from layers import head as tail
if True:
    def inside(shape, outputs): ...
try:
    def tried(): ...
except ImportError:
    def rescued(): ...
made = len
class Maker: ...
def student(shape, outputs): ...
"""


def params(name: str) -> dict[str, object]:
    return {"seed": 1, "student": {"architecture": name, "width": 8}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/__init__.py").write_text("from lab.inner import *\n")
    (tmp_path / "lab/broken.py").write_text("def student(\n")
    return tmp_path


@pytest.mark.parametrize("name", ["student", "inside", "tried", "rescued", "made", "Maker", "tail"])
def test_a_function_that_the_file_binds_passes_without_being_imported(root: Path, name: str) -> None:
    check(root, params(f"nets:{name}"))


@pytest.mark.parametrize(
    "name", ["resnet", "", "lab:anything", "json:loads", "keras.applications.MobileNetV2"]
)
def test_names_installed_modules_and_star_imports_are_left_to_the_stage(root: Path, name: str) -> None:
    check(root, params(name))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "nowhere.nets:student",
            "student.architecture: there is no module nowhere.nets: nowhere/nets.py beside",
        ),
        (
            "nets:studnet",
            "student.architecture: nets.py has no function studnet; it has Maker, inside, made,",
        ),
        ("lab.broken:student", "student.architecture: lab/broken.py is not Python: '(' was never closed"),
    ],
)
def test_what_is_not_there_is_named_with_its_key(root: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(root, params(name))
    assert words in str(caught.value)


def test_all_of_them_are_told_at_once(root: Path) -> None:
    with pytest.raises(UsageError) as caught:
        check(root, {**params("nets:none"), "data": {"function": "no.where:load"}})
    assert str(caught.value).count("\n") == 2
