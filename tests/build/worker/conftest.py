"""Workers that end with the test that started them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.worker.workshop import CLIENT, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    short = Path(tempfile.mkdtemp(prefix="w-"))  # the address of a socket may have 107 bytes
    place = Workshop(tmp_path / "work", tmp_path / "code", short)
    for folder in (place.folder, place.code / "edgebuild"):
        folder.mkdir(parents=True)
    (place.code / "edgebuild" / "__init__.py").write_text("")
    (place.run_folder / "client.py").write_text(CLIENT)
    yield place
    place.close()
    assert place.servers() == set()
    shutil.rmtree(short)
