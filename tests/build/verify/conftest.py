"""One small build for all tests of verify; each gets a copy of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.build.verify.repository import Repository, make


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return make(tmp_path_factory.mktemp("original") / "project")


@pytest.fixture
def repository(original: Repository, tmp_path: Path) -> Repository:
    shutil.copytree(original.root, tmp_path / "project", symlinks=True)
    return Repository(tmp_path / "project")
