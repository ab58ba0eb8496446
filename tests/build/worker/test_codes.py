"""Compiled code is used for the very same bytes only."""

from __future__ import annotations

import os
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from edgebuild.build.worker.codes import Codes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "package" / "part.py"
    path.parent.mkdir()
    path.write_text("VALUE = 1\n")
    return path


def test_the_code_is_that_of_the_file(file: Path) -> None:
    codes = Codes()
    codes.refresh([str(file.parent)])
    code = codes.find(b"VALUE = 1\n", str(file))
    assert code == compile("VALUE = 1\n", str(file), "exec", dont_inherit=True)
    assert code is not None
    assert code.co_filename == str(file)


def test_other_bytes_or_another_place_have_none(file: Path) -> None:
    codes = Codes()
    codes.refresh([str(file.parent)])
    assert codes.find(b"VALUE = 2\n", str(file)) is None
    assert codes.find(b"VALUE = 1\n", f"{file}x") is None


def test_a_changed_file_is_compiled_anew_and_a_broken_one_is_left_alone(file: Path) -> None:
    codes = Codes()
    (file.parent / "broken.py").write_text("import (\n")
    codes.refresh([str(file.parent)])
    file.write_text("VALUE = 2\n")
    os.utime(file, ns=(1, 1))
    codes.refresh([str(file.parent)])
    assert codes.find(b"VALUE = 2\n", str(file)) is not None
    assert codes.find(b"import (\n", str(file.parent / "broken.py")) is None


def test_imports_look_here_and_compile_what_is_not_here(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SourceFileLoader, "source_to_code", SourceFileLoader.source_to_code)
    codes = Codes()
    codes.refresh([str(file.parent)])
    codes.use()
    loader = SourceFileLoader("part", str(file))
    assert loader.source_to_code(b"VALUE = 1\n", str(file)) is codes.find(b"VALUE = 1\n", str(file))
    assert loader.source_to_code(b"VALUE = 3\n", str(file)) == compile(
        "VALUE = 3\n", str(file), "exec", dont_inherit=True
    )
