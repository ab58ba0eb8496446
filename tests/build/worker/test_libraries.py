"""Libraries are imported ahead as a fresh process imports them, and leave nothing that a fork would lose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgebuild.build.environment.variables import PINNED
from edgebuild.build.worker import libraries
from edgebuild.formats import coreml_session
from edgebuild.train import backend

#: tensorflow first, and matplotlib before it: the worst order
ALL = """\
import json, matplotlib, os, sys
from edgebuild.build.worker import libraries
libraries.load({"tensorflow"})
libraries.load(set(libraries.IMPORTED_AS))
import coremltools._deps, keras
print(json.dumps({
    "threads": libraries.threads(),
    "loaded": [name for name in libraries.IMPORTED_AS if name in sys.modules],
    "sees tensorflow": coremltools._deps._HAS_TF,
    "sees scikit-learn": coremltools._deps._HAS_SKLEARN,
    "hidden": [name for name in ("sklearn", "pandas", "torch", "cv2", "jax", "xgboost") if name in sys.modules],
    "kept": sys.modules["matplotlib"] is matplotlib,
    "keras sees matplotlib": keras.src.utils.model_visualization.__dict__.get("plt") is not None,
}))
"""


@pytest.fixture(scope="module")
def all_loaded() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", ALL], env={**os.environ, **PINNED}, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_all_of_them_leave_one_thread(all_loaded: dict[str, Any]) -> None:
    assert set(all_loaded["loaded"]) == set(libraries.IMPORTED_AS)
    assert all_loaded["threads"] == 1


def test_none_finds_what_it_does_not_find_in_a_fresh_process(all_loaded: dict[str, Any]) -> None:
    assert not all_loaded["sees tensorflow"]
    assert not all_loaded["sees scikit-learn"]
    assert not all_loaded["keras sees matplotlib"]
    assert all_loaded["hidden"] == []
    assert all_loaded["kept"]


def test_they_are_hidden_from_one_another_as_the_adapters_do() -> None:
    assert libraries.WITHOUT == {"tensorflow": backend.UNUSED, "coremltools": coreml_session._FRONT_ENDS}


def test_what_is_not_installed_is_left_to_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "IMPORTED_AS", {"no_such_library": ("no_such_library",)})
    libraries.load({"no_such_library"})


def test_modules_in_front_of_loaded_ones_are_found(tmp_path: Path) -> None:
    (tmp_path / "json.py").touch()
    (tmp_path / "numpy").mkdir()
    (tmp_path / "unknown_to_anybody.py").touch()
    assert libraries.shadowed([str(tmp_path)]) == [str(tmp_path / "json.py")]
    (tmp_path / "numpy/__init__.py").touch()
    assert sorted(libraries.shadowed([*sys.path, str(tmp_path)])) == [
        str(tmp_path / "json.py"), str(tmp_path / "numpy"),
    ]  # fmt: skip
