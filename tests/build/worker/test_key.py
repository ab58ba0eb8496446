"""Who shares a server, and who does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgebuild.build.environment.variables import PINNED
from edgebuild.build.worker import key as module
from edgebuild.build.worker.key import key, server_environment

ENVIRON = {"PATH": "/bin", "HOME": "/home/user", "LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    "variable",
    ["PATH", "HOME", "PYTHONPATH", "TZ", "TF_CPP_MIN_LOG_LEVEL", "DVC_STAGE", "MLFLOW_TRACKING_URI"],
)
def test_what_the_fork_takes_over_or_pins_does_not_matter(variable: str) -> None:
    assert key({**ENVIRON, variable: "another"}) == key(ENVIRON)


@pytest.mark.parametrize(
    "variable",
    [
        "ONEDNN_MAX_CPU_ISA",
        "CUDA_VISIBLE_DEVICES",
        "LD_LIBRARY_PATH",
        "PYTHONUTF8",
        "LC_ALL",
        "MALLOC_ARENA_MAX",
    ],
)
def test_what_acts_when_libraries_are_loaded_does(variable: str) -> None:
    assert key({**ENVIRON, variable: "another"}) != key(ENVIRON)


@pytest.mark.parametrize("name", ["_installed", "_place"])
def test_so_do_packages_and_limits(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = key(ENVIRON)
    monkeypatch.setattr(module, name, lambda: ["something else"])
    assert key(ENVIRON) != before


def test_an_installed_package_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(str(packages))
    before = key(ENVIRON)
    (packages / "some-1.0.dist-info").mkdir()
    after = key(ENVIRON)
    os.utime(packages / "some-1.0.dist-info", ns=(1, 1))
    assert len({before, after, key(ENVIRON)}) == 3


def test_a_server_starts_with_what_a_stage_sees() -> None:
    seen = server_environment({**ENVIRON, "SECRET": "x", "PYTHONOPTIMIZE": "2", "OMP_NUM_THREADS": "9"})
    assert seen == {**PINNED, "LANG": "C.UTF-8"}


def test_every_file_of_the_worker_is_in_the_key() -> None:
    files = {path.stem for path in Path(module.__file__).parent.glob("*.py")}
    assert set(module.CODE) == files - {"__init__"}
