from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.track.log import Log


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ([b"\r\x1b[2Kepoch 1", b"\r\x1b[2Kepoch 2\r\x1b[2Kdone\n"], b"done\n"),
        ([b"no end"], b"no end\n"),
        ([b"dos\r\n", b"unix\n"], b"dos\nunix\n"),
        ([b"to", b"rn\n"], b"torn\n"),
    ],
)
def test_the_log_holds_what_a_terminal_shows_in_the_end(
    written: list[bytes], kept: bytes, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log.txt")
    for data in written:
        log.write(data)
    log.close()
    log.close()
    assert (tmp_path / "log.txt").read_bytes() == kept
    assert log.broken is None


def test_of_a_long_output_the_end_is_kept(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.txt", limit=100)
    for number in range(1000):
        log.write(b"line %d\n" % number)
    log.close()
    first, *rest = (tmp_path / "log.txt").read_text().splitlines()
    assert rest[-1] == "line 999"
    assert len("\n".join(rest)) < 100
    assert (
        first
        == f"[{sum(len(f'line {n}') + 1 for n in range(1000 - len(rest)))} bytes before this are not kept]"
    )


def test_a_log_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path / "missing" / "log.txt")
    log.write(b"a\n")
    log.close()
    assert isinstance(log.broken, FileNotFoundError)
