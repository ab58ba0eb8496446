from __future__ import annotations

import time
from pathlib import Path

from bench.source import Source


def source(work: Path) -> Source:
    return Source("net", Path("net.keras"), Path("data"), work)


def again(path: Path) -> None:
    path.write_text("made again")


def slow(path: Path) -> None:
    time.sleep(0.05)
    path.write_text("made")


def test_a_step_is_made_once_and_whoever_finds_it_ready_is_charged_its_seconds(tmp_path: Path) -> None:
    first, second = source(tmp_path), source(tmp_path)
    assert first.step("file", slow).read_text() == "made"
    assert first.borrowed == 0
    made = second.step("file", again)
    assert made.read_text() == "made"
    assert second.borrowed >= 0.05


def test_a_step_inside_a_step_is_charged_once(tmp_path: Path) -> None:
    first = source(tmp_path)
    first.step("inner", slow)
    second = source(tmp_path)

    def outer(path: Path) -> None:
        second.step("inner", slow)
        slow(path)

    second.step("outer", outer)
    third = source(tmp_path)
    third.step("outer", slow)
    assert 0.1 <= third.borrowed < 0.5


def test_what_a_crash_left_half_written_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("half")
    assert source(tmp_path).step("file", slow).read_text() == "made"
