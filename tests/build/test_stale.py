"""Results are believed only where dvc.lock records the build that dvc.yaml and params.yaml describe now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgebuild.build.stale import stale
from edgebuild.strict import read_yaml
from tests.build.dvc_repository import dvc

DVC_YAML = """\
stages:
  train:
    cmd: tr a-z A-Z < input > model
    params: [train.rate, seed]
    deps: [input, code]
    outs: [model]
  pack:
    cmd: mkdir -p packed && cp model packed/a
    deps: [model]
    outs: [packed/a]
  list:
    cmd: ls packed > all
    deps: [packed]
    outs: [all]
"""
PARAMS = "seed: 7\ntrain: {rate: 3.0e-3, unused: 1}\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stages, built by DVC."""
    root = tmp_path_factory.mktemp("built")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text(PARAMS)
    (root / "input").write_text("weights")
    (root / "code").mkdir()
    (root / "code/main.py").write_text("pass")
    for arguments in (["init", "--no-scm", "--quiet"], ["repro"]):
        done = dvc(root, *arguments)
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(built, tmp_path / "root", ignore=shutil.ignore_patterns(".dvc", ".edgebuild"))
    )


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_finished_build_is_current_also_where_its_outputs_are_gone(root: Path) -> None:
    assert stale(root) == {}
    (root / "model").unlink()
    shutil.rmtree(root / "packed")
    assert stale(root) == {}


def test_a_knob_that_no_stage_reads_makes_nothing_old(root: Path) -> None:
    edit(root / "params.yaml", "unused: 1", "unused: 2")
    assert stale(root) == {}


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("params.yaml", "rate: 3.0e-3", "rate: 4.0e-3", "train.rate of params.yaml changed"),
        ("params.yaml", "seed: 7", "seed: 8", "seed of params.yaml changed"),
        ("input", "weights", "others", "input changed"),
        ("code/main.py", "pass", "print()", "code changed"),
        (
            "dvc.yaml",
            "tr a-z",
            "tr A-z",
            "its command is tr A-z A-Z < input > model, dvc.lock has tr a-z A-Z",
        ),
        ("dvc.yaml", "outs: [model]", "outs: [model, log]", "dvc.lock does not have log"),
        ("dvc.yaml", "params: [train.rate, seed]", "params: [train, seed]", "train of params.yaml changed"),
    ],
)
def test_what_changed_since_is_told(root: Path, name: str, old: str, new: str, why: str) -> None:
    edit(root / name, old, new)
    found = stale(root)
    assert list(found) == ["train"]
    assert found["train"].startswith(why)


def test_a_stage_that_never_ran_is_told(root: Path) -> None:
    edit(root / "dvc.yaml", "  list:", "  more:\n    cmd: echo > more\n    outs: [more]\n  list:")
    assert stale(root) == {"more": "dvc.lock does not have it"}


def test_a_build_that_stopped_half_way_leaves_old_what_follows(root: Path) -> None:
    lock: Any = read_yaml(root / "dvc.lock")
    lock["stages"]["train"]["outs"][0]["md5"] = "0" * 32
    (root / "dvc.lock").write_text(json.dumps(lock))
    assert stale(root) == {"pack": "model changed"}


def test_without_dvc_lock_everything_is_old(root: Path) -> None:
    (root / "dvc.lock").unlink()
    assert list(stale(root)) == ["train", "pack", "list"]
