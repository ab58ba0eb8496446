"""A newer edgebuild takes over the locks; what else it wants is told, and left to the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.environment import library
from edgebuild.init import renew
from edgebuild.init.begin import Wishes, prepare
from edgebuild.init.write import write


@pytest.fixture
def build(root: Path) -> Path:
    write(root, prepare(root, Wishes()))
    return root


def test_a_build_of_this_edgebuild_needs_nothing(build: Path) -> None:
    assert set(renew.upgrade(build).files) == {"requirements/runtime.txt", library.NAME}
    assert list(renew.needed(build)) == []


def test_a_knob_that_is_new_is_told(build: Path) -> None:
    path = build / "params.yaml"
    path.write_text(path.read_text().replace("seed: 7", "sead: 7", 1))
    (told,) = renew.needed(build)
    assert "sead: unknown key" in told


def test_a_stage_that_differs_is_shown_and_comes_back_when_it_is_deleted(build: Path) -> None:
    path = build / "stages/prune.py"
    text = path.read_text()
    path.write_text(text.replace("from __future__", "# mine\nfrom __future__", 1))
    (told,) = renew.needed(build)
    assert "-# mine" in told
    assert "stages/prune.py differs; if it is not your own change, delete it" in told
    path.unlink()
    write(build, renew.upgrade(build), over=True)
    assert path.read_text() == text


def test_a_stage_that_dvc_yaml_states_otherwise_is_named_but_deps_are_no_matter(build: Path) -> None:
    path = build / "dvc.yaml"
    path.write_text(path.read_text().replace("deps: [stages/prepare.py", "deps: [own.py, stages/prepare.py"))
    assert list(renew.needed(build)) == []
    path.write_text(path.read_text().replace("params: [export]", "params: [export, seed]"))
    assert list(renew.needed(build)) == [
        "dvc.yaml: export differ(s) from this edgebuild's template in more than deps"
    ]


def test_a_damaged_dvc_yaml_is_told_and_does_not_stop_it(build: Path) -> None:
    (build / "dvc.yaml").write_text("stages: [")
    (told,) = renew.needed(build)
    assert "dvc.yaml is not valid YAML" in told
